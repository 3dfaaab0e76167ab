"""Restarts per second from request to verdict, beside the same messages and transactions with nothing of ours."""

from bench.floor import Stream
from bench.flow import flow, listening, now, own_part
from bench.report import Distribution, print_figure
from bench.system import running

AT_ONCE = 64
"""Restarts under way at any moment. A charger takes about a quarter of a second for itself."""
WARM_UP = 200
CONNECTIONS_PER_S = 50.0
TARGET_PER_S = 200.0
TARGET_SHARE = 0.5


async def measure(*, rounds: int = 1000, chargers: int = 200) -> int:
    """Keeps so many restarts under way; then moves as many messages and transactions with nothing of ours."""
    async with running(chargers, starts_per_second=CONNECTIONS_PER_S) as bench, listening(bench) as verdicts:
        await flow(bench, verdicts, WARM_UP, at_once=AT_ONCE)
        since = now()
        ours = await flow(bench, verdicts, rounds, at_once=AT_ONCE)
        own = Distribution.of(await own_part(bench, since))
        hops, shares = ours.messages / rounds, ours.transactions / ours.messages
        stream = Stream(bench.kafka(), bench.database_url, hops=round(hops), transactions_per_message=shares)
        floor = await stream.per_second(rounds, at_once=AT_ONCE)
    wrong = {outcome: count for outcome, count in ours.verdicts.items() if outcome != "restarted"}
    print(
        f"\nthe orchestrator's own part, request in Kafka -> command in Kafka, milliseconds: "
        f"p50 {own.p50:.0f}, p99 {own.p99:.0f}"
    )
    print(f"verdicts: {dict(ours.verdicts)}")
    row = [f"{ours.per_second:.1f}", f"{hops:.1f}", f"{ours.transactions / rounds:.1f}"]
    print_figure(
        "restart-throughput",
        f"{rounds} restarts, {AT_ONCE} under way at once, {chargers} chargers",
        ("restarts/s", "messages each", "transactions each"),
        {
            "request -> verdict": row,
            "floor: as many messages and transactions": [f"{floor:.1f}", *row[1:]],
        },
        figure=ours.per_second,
        floor=floor,
        unit="restarts per second",
        target=f"{TARGET_PER_S:.0f}/s and {TARGET_SHARE:.0%} of the floor",
        met=ours.per_second >= max(TARGET_PER_S, floor * TARGET_SHARE),
        remark="services, Kafka, PostgreSQL, chargers and this measurement share the cores",
    )
    return 1 if wrong else 0
