"""Rules over records: sign-offs, dossiers, stages, policies, the auditor's questions, model cards."""
