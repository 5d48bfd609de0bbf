"""`python -m bench.requests` measures each variant over the same answer."""

from bench.requests import VARIANTS, run


async def test_each_variant_reads_the_recorded_page() -> None:
    found = await run(pages=1, rounds=1)
    assert found.keys() == set(VARIANTS)
    assert all(seconds > 0 for seconds in found.values())
