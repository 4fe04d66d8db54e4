"""dbt: the project, the service that runs it, what to build and test, and how the marts are published."""
