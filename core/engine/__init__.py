"""The owner of a workspace: one door for changes, typed questions, jobs, pipelines, schedules."""
