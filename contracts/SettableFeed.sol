// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title A price aggregator whose every round is written by hand, for the local chain only.
/// @notice Anyone may push: the tests need stale, zero, negative and future answers on demand.
contract SettableAggregator {
    struct Round {
        int256 answer;
        uint64 startedAt;
        uint64 updatedAt;
        uint64 answeredInRound;
    }

    event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt);
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    error NoDataPresent(uint256 roundId);

    uint8 public immutable decimals;
    int192 public immutable minAnswer;
    int192 public immutable maxAnswer;
    uint256 public constant version = 4;
    string public description;
    uint64 public latestRound;

    mapping(uint256 roundId => Round round) private _rounds;

    constructor(uint8 decimals_, string memory description_, int192 minAnswer_, int192 maxAnswer_) {
        decimals = decimals_;
        description = description_;
        minAnswer = minAnswer_;
        maxAnswer = maxAnswer_;
    }

    /// @notice Start and finish a round now, as an honest reporter would.
    function push(int256 answer) external {
        pushRound(answer, block.timestamp, block.timestamp);
    }

    /// @notice Write a round with any answer and any times, also impossible ones.
    function pushRound(int256 answer, uint256 startedAt, uint256 updatedAt) public {
        uint64 round = ++latestRound;
        _rounds[round] = Round(answer, uint64(startedAt), uint64(updatedAt), round);
        emit NewRound(round, msg.sender, startedAt);
        emit AnswerUpdated(answer, round, updatedAt);
    }

    function latestAnswer() external view returns (int256) {
        return _rounds[latestRound].answer;
    }

    function latestTimestamp() external view returns (uint256) {
        return _rounds[latestRound].updatedAt;
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(uint80(latestRound));
    }

    function getRoundData(uint80 roundId)
        public
        view
        returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        if (roundId == 0 || roundId > latestRound) revert NoDataPresent(roundId);
        Round storage round = _rounds[roundId];
        return (roundId, round.answer, round.startedAt, round.updatedAt, round.answeredInRound);
    }
}

/// @title The stable address in front of changing aggregators.
/// @notice A round id seen here is phase << 64 | round of that phase's aggregator.
contract SettableFeed {
    uint256 private constant PHASE_SHIFT = 64;

    SettableAggregator public aggregator;
    uint16 public phaseId;

    mapping(uint16 phase => SettableAggregator source) public phaseAggregators;

    constructor(SettableAggregator first) {
        setAggregator(first);
    }

    /// @notice Begin a new phase with another aggregator.
    function setAggregator(SettableAggregator next) public {
        aggregator = next;
        phaseAggregators[++phaseId] = next;
    }

    function decimals() external view returns (uint8) {
        return aggregator.decimals();
    }

    function description() external view returns (string memory) {
        return aggregator.description();
    }

    function version() external view returns (uint256) {
        return aggregator.version();
    }

    function latestAnswer() external view returns (int256) {
        return aggregator.latestAnswer();
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return _read(phaseId, uint64(aggregator.latestRound()));
    }

    function getRoundData(uint80 roundId)
        external
        view
        returns (uint80, int256, uint256, uint256, uint80)
    {
        return _read(uint16(roundId >> PHASE_SHIFT), uint64(roundId));
    }

    function _read(uint16 phase, uint64 round)
        private
        view
        returns (uint80, int256, uint256, uint256, uint80)
    {
        (, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) =
            phaseAggregators[phase].getRoundData(round);
        return (_id(phase, round), answer, startedAt, updatedAt, _id(phase, uint64(answeredIn)));
    }

    function _id(uint16 phase, uint64 round) private pure returns (uint80) {
        return (uint80(phase) << uint80(PHASE_SHIFT)) | round;
    }
}
