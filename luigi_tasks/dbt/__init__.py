"""dbt as Luigi sees it: the project, the service that runs it, what to build and test, and how marts are published."""
