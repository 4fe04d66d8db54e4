"""The command `socialmart`: what people do with the pipeline besides running it from cron."""

import click

from luigi_tasks.cli.command_group import CommandGroup
from luigi_tasks.cli.commands import (
    audit,
    clients,
    inspection,
    pages,
    privacy,
    rejected,
    roles,
    runs,
    services,
    sources,
)

COMMANDS = (
    inspection.check_pipeline,
    inspection.explain_stages,
    runs.show_summary,
    runs.run_pipeline,
    inspection.verify_warehouse,
    inspection.take_over_warehouse,
    audit.tell_audit,
    rejected.list_rejected,
    sources.list_sources,
    privacy.tell_privacy,
    roles.manage_roles,
    pages.write_report,
    pages.write_docs,
    services.show_java,
    services.run_cluster,
    services.run_dashboard,
    *clients.list_client_commands(),
)
"""In the order in which `socialmart --help` lists them."""


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="socialmart", prog_name="socialmart", message="%(prog)s %(version)s")
def main() -> None:
    """Run the social media pipeline and look after it. `socialmart COMMAND --help` describes a command."""


for command in COMMANDS:
    main.add_command(command)


if __name__ == "__main__":
    main()
