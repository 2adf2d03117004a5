"""Metrics for Prometheus: what each process counts, and what the ledger says at the moment it is asked."""

# The variable that says where the processes of one service write what they count. Prometheus's library looks when it is
# loaded, so a process has it from its start on.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
