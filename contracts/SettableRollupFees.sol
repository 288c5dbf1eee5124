// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What an OP stack chain's fee oracle answers, with every parameter written by hand.
/// @notice For the local chain only, put at the oracle's predeploy address. The formulas are those of
/// the specifications: Fjord for data, Isthmus for the operator.
contract SettableRollupFees {
    uint256 public l1BaseFee;
    uint256 public blobBaseFee;
    uint256 public baseFeeScalar;
    uint256 public blobBaseFeeScalar;
    uint256 public operatorFeeScalar;
    uint256 public operatorFeeConstant;

    int256 private constant INTERCEPT = -42_585_600;
    int256 private constant PER_COMPRESSED_BYTE = 836_500;
    int256 private constant LEAST = 100 * 1e6;

    function set(uint256[6] calldata to) external {
        l1BaseFee = to[0];
        blobBaseFee = to[1];
        baseFeeScalar = to[2];
        blobBaseFeeScalar = to[3];
        operatorFeeScalar = to[4];
        operatorFeeConstant = to[5];
    }

    /// @notice The data fee of an unsigned transaction of this size that does not compress.
    function getL1FeeUpperBound(uint256 unsignedTxSize) external view returns (uint256) {
        uint256 size = unsignedTxSize + 68;
        int256 estimated = INTERCEPT + PER_COMPRESSED_BYTE * int256(size + size / 255 + 16);
        if (estimated < LEAST) estimated = LEAST;
        uint256 scaled = baseFeeScalar * 16 * l1BaseFee + blobBaseFeeScalar * blobBaseFee;
        return uint256(estimated) * scaled / 1e12;
    }

    function getOperatorFee(uint256 gasUsed) external view returns (uint256) {
        return gasUsed * operatorFeeScalar / 1e6 + operatorFeeConstant;
    }
}
