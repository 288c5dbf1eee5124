// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Lets one account's hedges happen one after the other, each at most once.
/// @notice A caller says how many hedges it knew of when it decided. If another one came in between,
/// from whatever process, journal or branch of the chain, the call reverts and nothing happens.
/// The guard holds no money: the venue's account approves it, and the owner revokes it there.
contract IntentGuard {
    address public immutable owner;

    /// @notice Hedges so far.
    uint256 public sequence;

    event Executed(uint256 indexed sequence, bytes32 indexed intentId);

    error NotOwner(address caller);
    error Overtaken(uint256 expected, uint256 sequence);
    error NoCode(address target);

    constructor(address owner_) {
        owner = owner_;
    }

    /// @notice Call `target` with `data` if `expected` hedges have happened; return or revert as it does.
    function execute(uint256 expected, bytes32 intentId, address target, bytes calldata data)
        external
    {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        if (sequence != expected) revert Overtaken(expected, sequence);
        // A call to an address without code succeeds and does nothing.
        if (target.code.length == 0) revert NoCode(target);
        sequence = expected + 1;
        emit Executed(expected, intentId);
        (bool ok, bytes memory result) = target.call(data);
        assembly {
            switch ok
            case 0 { revert(add(result, 32), mload(result)) }
            default { return(add(result, 32), mload(result)) }
        }
    }
}
