"""What an attempt offers per gas: EIP-1559 caps and replacement rules, as integers.

A node takes a replacement only if it raises *both* fields by a tenth (geth, reth); we raise by an
eighth, from the highest attempt ever signed, so that no node's rounding can refuse it.
"""

from collections.abc import Sequence

from keeper.model.chain import Fees

BASE_FEE_HEADROOM = 2
"""Twice the base fee outlives six full blocks: each raises it by an eighth, 1.125^6 ≈ 2.03."""


def recent_tip_wei(rewards_wei: Sequence[int]) -> int:
    """Return the middle of what recent blocks paid for priority; 0 if nothing is known.

    Blocks that paid nothing say nothing: they were empty, or built by somebody who asks for none.

    Args:
        rewards_wei: A percentile of the priority fees of each block, as `eth_feeHistory` has it.

    """
    paid = sorted(reward for reward in rewards_wei if reward > 0)
    return paid[len(paid) // 2] if paid else 0


def first_offer(*, base_fee_wei: int, tip_wei: int, cap_wei: int) -> Fees:
    """Return the fees of a first attempt, never above *cap_wei*."""
    max_fee_wei = min(cap_wei, BASE_FEE_HEADROOM * base_fee_wei + tip_wei)
    return Fees(max_fee_wei=max_fee_wei, tip_wei=min(tip_wei, max_fee_wei))


def replacement(highest: Fees, fresh: Fees, *, cap_wei: int) -> Fees | None:
    """Return fees that replace *highest* in any node's pool; None if that breaks the cap."""
    max_fee_wei = max(fresh.max_fee_wei, _raised(highest.max_fee_wei))
    tip_wei = max(fresh.tip_wei, _raised(highest.tip_wei))
    if max_fee_wei > cap_wei:
        return None
    return Fees(max_fee_wei=max_fee_wei, tip_wei=min(tip_wei, max_fee_wei))


def expected_price_wei(*, base_fee_wei: int, tip_wei: int) -> int:
    """Return what one gas is expected to cost in the next block."""
    return base_fee_wei + tip_wei


def _raised(fee_wei: int) -> int:
    return -(-fee_wei * 9 // 8) + 1
