// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title A venue that only remembers: for benchmarks that measure the keeper and not the venue.
/// @notice It holds no money and fills every order at the caller's own worst price.
contract StubVenue {
    event Ordered(address indexed account, int256 sizeDelta, int256 size, uint256 price);

    error DeadlinePassed(uint256 deadline, uint256 timestamp);

    /// @notice Signed size per account, 18 decimals, negative is short.
    mapping(address account => int256 size) public position;

    /// @notice Change the caller's position. About 30k gas once the position is not zero.
    function order(int256 sizeDelta, uint256 worstPrice, uint256 deadline) external {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline, block.timestamp);
        int256 size = position[msg.sender] + sizeDelta;
        position[msg.sender] = size;
        emit Ordered(msg.sender, sizeDelta, size, worstPrice);
    }
}
