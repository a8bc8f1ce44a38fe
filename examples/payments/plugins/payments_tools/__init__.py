"""Tools that other teams' DAGs use as well; deployed beside the DAG folder."""
