"""The pipeline's Luigi tasks: `luigi --module luigi_tasks RunAll`."""

import configparser
import signal

try:
    import luigi  # noqa: F401  # reads luigi.cfg

    from luigi_tasks.audit import Audit
    from luigi_tasks.clean import Clean
    from luigi_tasks.extract import Extract
    from luigi_tasks.load import Load
    from luigi_tasks.publish import Publish
    from luigi_tasks.replay import Replay
    from luigi_tasks.report import Report
    from luigi_tasks.run_all import RunAll
    from luigi_tasks.transform import DbtRun, DbtTest
except (configparser.Error, UnicodeDecodeError) as error:
    raise SystemExit(f"luigi.cfg: cannot be read ({' '.join(str(error).split())}); mend it") from None
except KeyboardInterrupt:
    raise SystemExit(128 + signal.SIGINT) from None

__all__ = ["Audit", "Clean", "DbtRun", "DbtTest", "Extract", "Load", "Publish", "Replay", "Report", "RunAll"]
