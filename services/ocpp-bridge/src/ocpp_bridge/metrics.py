"""What the bridge counts."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class BridgeMetrics:
    """The bridge's own metrics, in the process's registry. No charger's identity is a label: there are too many."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"ocpp_bridge_{name}", about, labels, registry=registry)

        self.sessions = Gauge("ocpp_bridge_sessions", "Open sessions.", ("protocol",), registry=registry)
        self.pending_now = Gauge(
            "ocpp_bridge_sessions_pending", "Open sessions whose boot was answered Pending by fleet.", registry=registry
        )
        self.handshakes_now = Gauge(
            "ocpp_bridge_handshakes_now", "Handshakes in progress or waiting.", ("state",), registry=registry
        )
        self.boots_now = Gauge("ocpp_bridge_boots_now", "Boots in progress.", registry=registry)
        self.handshakes = counter("handshakes", "Handshakes, by their answer.", "answer")
        self.refused = counter(
            "connections_refused", "Who was not let in: known chargers, and strangers by TLS.", "why"
        )
        self.tls_failures = counter(
            "tls_handshake_failures", "TLS handshakes that failed, by OpenSSL's reason or ours.", "why"
        )
        self.tls_loads = counter("tls_loads", "TLS files that were read, by whether they were good.", "outcome")
        self.rotations = counter("password_rotations", "Passwords changed over OCPP, by what came of it.", "outcome")
        self.ended = counter("sessions_ended", "Sessions that ended, by why.", "why")
        self.boots_put_off = counter("boots_put_off", "Boots answered Pending because of a storm, by why.", "why")
        self.calls = counter("calls", "CALLs of chargers, by their answer.", "protocol", "action", "answer")
        self.deviations = counter("deviations", "Tolerated deviations.", "protocol", "model", "action", "kind")
        self.bad_frames = counter("bad_frames", "Frames that are none, or too big.", "protocol", "why")
        self.unanswerable = counter("unanswerable_frames", "SEND and CALLRESULTERROR frames.", "protocol", "kind")
        self.floods = counter("floods", "Sessions closed because of a flood.", "protocol")
        self.resets = counter("resets", "Resets, by what became of them.", "outcome")
        self.operator_calls = counter("operator_calls", "Operators' calls, by what came of them.", "action", "outcome")
        self.late_answers = counter("late_answers", "Answers to Resets that came late or on another session.")
        self.reset_seconds = Histogram(
            "ocpp_bridge_reset_seconds",
            "From reading the command to having written the frame.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.operator_call_seconds = Histogram(
            "ocpp_bridge_operator_call_seconds",
            "From reading an operator's call to the charger's answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.evidence_seconds = Histogram(
            "ocpp_bridge_evidence_seconds",
            "From reading a CALL with evidence to its answer.",
            buckets=_SECONDS,
            registry=registry,
        )
