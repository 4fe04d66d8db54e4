"""Groups of commands and their ends: what every command checks first, and the exit code that it leaves."""

import signal
import sys
from typing import Any

import click

from luigi_tasks import file_modes, settings_files, texts
from luigi_tasks.cli import output
from luigi_tasks.errors import PipelineError
from luigi_tasks.processes import environment


class ProjectCommand(click.Command):
    """A command that is about the project in the current folder: anywhere else it says so, and makes nothing."""

    def invoke(self, context: click.Context) -> Any:
        settings_files.require_project()
        environment.require_utf8()
        return super().invoke(context)


class CommandGroup(click.Group):
    """Commands that return their exit code. A PipelineError ends one with its sentence and 1, Ctrl-C with 130.

    They need a project, unless they are made with `cls=click.Command`.
    """

    command_class = ProjectCommand

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of the commands in the order in which they are defined."""
        return list(self.commands)

    def invoke(self, context: click.Context) -> None:
        """Run the command that the command line names, and exit."""
        try:
            output.prepare_streams()
            file_modes.restrict_new_files()
            code = super().invoke(context)
            sys.stdout.flush()
        except PipelineError as error:
            raise SystemExit(texts.format_block(f"socialmart: {error}")) from error
        except BrokenPipeError:  # the reader of the output has closed it
            output.discard_output()
            code = 128 + signal.SIGPIPE
        except OSError as error:
            if error.errno not in output.FULL or error.filename is not None:
                raise
            output.discard_output()
            raise SystemExit(
                f"socialmart: standard output cannot be written ({error.strerror}); make room, or send it elsewhere"
            ) from error
        except KeyboardInterrupt:
            code = 128 + signal.SIGINT
        context.exit(code or 0)
