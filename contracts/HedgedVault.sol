// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    function decimals() external view returns (uint8);
}

interface IUniswapV3Pool {
    function token0() external view returns (address);
    function fee() external view returns (uint24);
    function slot0() external view returns (uint160, int24, uint16, uint16, uint16, uint8, bool);
    function feeGrowthGlobal0X128() external view returns (uint256);
    function feeGrowthGlobal1X128() external view returns (uint256);
    function ticks(int24 tick)
        external
        view
        returns (uint128, int128, uint256, uint256, int56, uint160, uint32, bool);
}

interface IPositionManager {
    struct MintParams {
        address token0;
        address token1;
        uint24 fee;
        int24 tickLower;
        int24 tickUpper;
        uint256 amount0Desired;
        uint256 amount1Desired;
        uint256 amount0Min;
        uint256 amount1Min;
        address recipient;
        uint256 deadline;
    }

    function mint(MintParams calldata params)
        external
        payable
        returns (uint256 tokenId, uint128 liquidity, uint256 amount0, uint256 amount1);
    function decreaseLiquidity(DecreaseParams calldata params) external payable returns (uint256, uint256);
    function collect(CollectParams calldata params) external payable returns (uint256, uint256);
    function burn(uint256 tokenId) external payable;
    function positions(uint256 tokenId)
        external
        view
        returns (
            uint96 nonce,
            address operator,
            address token0,
            address token1,
            uint24 fee,
            int24 tickLower,
            int24 tickUpper,
            uint128 liquidity,
            uint256 feeGrowthInside0LastX128,
            uint256 feeGrowthInside1LastX128,
            uint128 tokensOwed0,
            uint128 tokensOwed1
        );

    struct DecreaseParams {
        uint256 tokenId;
        uint128 liquidity;
        uint256 amount0Min;
        uint256 amount1Min;
        uint256 deadline;
    }

    struct CollectParams {
        uint256 tokenId;
        address recipient;
        uint128 amount0Max;
        uint128 amount1Max;
    }
}

interface ISwapRouter {
    struct ExactInputSingleParams {
        address tokenIn;
        address tokenOut;
        uint24 fee;
        address recipient;
        uint256 deadline;
        uint256 amountIn;
        uint256 amountOutMinimum;
        uint160 sqrtPriceLimitX96;
    }

    function exactInputSingle(ExactInputSingleParams calldata params) external payable returns (uint256);
}

/// @title An ERC-4626 vault on WETH whose strategist keeps a part of it in Uniswap v3 ranges.
/// @notice For the local chain. It values its ranges at the pool's spot price, which a trader can
/// move within a block: a vault that guards real money must not do that.
contract HedgedVault {
    struct Range {
        int24 tickLower;
        int24 tickUpper;
        uint128 liquidity;
        uint256 feeGrowthInside0LastX128;
        uint256 feeGrowthInside1LastX128;
        uint128 tokensOwed0;
        uint128 tokensOwed1;
    }

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Deposit(address indexed sender, address indexed owner, uint256 assets, uint256 shares);
    event Withdraw(
        address indexed sender,
        address indexed receiver,
        address indexed owner,
        uint256 assets,
        uint256 shares
    );
    event RangeOpened(uint256 indexed tokenId, uint128 liquidity);
    event RangeClosed(uint256 indexed tokenId);

    error OnlyStrategist(address caller);
    error ExceedsMax(uint256 wanted, uint256 max);
    error TransferFailed(address token);
    error TooManyRanges(uint256 max);
    error UnknownRange(uint256 tokenId);
    error UnknownToken(address collection);
    error ReentrantCall();

    string public constant name = "Hedged Vault";
    string public constant symbol = "hvWETH";
    uint8 public constant decimals = 18;
    uint256 public constant MAX_RANGES = 8;

    /// @dev One share and one asset that belong to nobody: a first depositor cannot profit from
    /// inflating the share price before the second one arrives.
    uint256 private constant VIRTUAL = 1;
    uint256 private constant Q96 = 2 ** 96;
    uint256 private constant Q128 = 2 ** 128;
    /// @dev 1.0001^-½ in Q128.
    uint256 private constant SQRT_TICK_DOWN_X128 = 0xfffcb933bd6fad37aa2d162d1a594001;

    IERC20 public immutable asset;
    IERC20 public immutable quote;
    IUniswapV3Pool public immutable pool;
    IPositionManager public immutable positionManager;
    ISwapRouter public immutable router;
    address public immutable strategist;
    bool private immutable _assetIsToken0;
    uint24 private immutable _fee;

    uint256 public totalSupply;
    mapping(address owner => uint256 shares) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 shares)) public allowance;
    uint256[] private _ranges;
    bool private _busy;

    modifier onlyStrategist() {
        if (msg.sender != strategist) revert OnlyStrategist(msg.sender);
        _;
    }

    modifier once() {
        if (_busy) revert ReentrantCall();
        _busy = true;
        _;
        _busy = false;
    }

    constructor(
        IERC20 asset_,
        IERC20 quote_,
        IUniswapV3Pool pool_,
        IPositionManager positionManager_,
        ISwapRouter router_,
        address strategist_
    ) {
        asset = asset_;
        quote = quote_;
        pool = pool_;
        positionManager = positionManager_;
        router = router_;
        strategist = strategist_;
        _assetIsToken0 = pool_.token0() == address(asset_);
        _fee = pool_.fee();
        for (uint256 i = 0; i < 2; ++i) {
            address spender = i == 0 ? address(positionManager_) : address(router_);
            asset_.approve(spender, type(uint256).max);
            quote_.approve(spender, type(uint256).max);
        }
    }

    // ---------------------------------------------------------------- what it is worth

    /// @notice WETH that can be paid out at once.
    function idleAssets() public view returns (uint256) {
        return asset.balanceOf(address(this));
    }

    /// @notice Everything held, in WETH at the pool's price: idle WETH, USDC, ranges with their fees.
    function totalAssets() public view returns (uint256) {
        (uint160 sqrtPriceX96, int24 tick,,,,,) = pool.slot0();
        uint256 assets = idleAssets();
        uint256 quotes = quote.balanceOf(address(this));
        for (uint256 i = 0; i < _ranges.length; ++i) {
            (uint256 amount0, uint256 amount1) = _amounts(_range(_ranges[i]), sqrtPriceX96, tick);
            assets += _assetIsToken0 ? amount0 : amount1;
            quotes += _assetIsToken0 ? amount1 : amount0;
        }
        return assets + _quoteToAsset(quotes, sqrtPriceX96);
    }

    /// @notice The NFTs the vault holds, oldest first while none was closed.
    function ranges() external view returns (uint256[] memory) {
        return _ranges;
    }

    /// @notice WETH and USDC inside one range now, uncollected fees included.
    function rangeAmounts(uint256 tokenId) external view returns (uint256 assets, uint256 quotes) {
        (uint160 sqrtPriceX96, int24 tick,,,,,) = pool.slot0();
        (uint256 amount0, uint256 amount1) = _amounts(_range(tokenId), sqrtPriceX96, tick);
        return _assetIsToken0 ? (amount0, amount1) : (amount1, amount0);
    }

    function convertToShares(uint256 assets) public view returns (uint256) {
        return _toShares(assets, false);
    }

    function convertToAssets(uint256 shares) public view returns (uint256) {
        return _toAssets(shares, false);
    }

    // ---------------------------------------------------------------- ERC-4626

    function maxDeposit(address) external pure returns (uint256) {
        return type(uint256).max;
    }

    function maxMint(address) external pure returns (uint256) {
        return type(uint256).max;
    }

    function maxWithdraw(address owner) public view returns (uint256) {
        return _min(convertToAssets(balanceOf[owner]), idleAssets());
    }

    function maxRedeem(address owner) public view returns (uint256) {
        return _min(balanceOf[owner], convertToShares(idleAssets()));
    }

    function previewDeposit(uint256 assets) public view returns (uint256) {
        return _toShares(assets, false);
    }

    function previewMint(uint256 shares) public view returns (uint256) {
        return _toAssets(shares, true);
    }

    function previewWithdraw(uint256 assets) public view returns (uint256) {
        return _toShares(assets, true);
    }

    function previewRedeem(uint256 shares) public view returns (uint256) {
        return _toAssets(shares, false);
    }

    function deposit(uint256 assets, address receiver) external once returns (uint256 shares) {
        shares = previewDeposit(assets);
        _enter(assets, shares, receiver);
    }

    function mint(uint256 shares, address receiver) external once returns (uint256 assets) {
        assets = previewMint(shares);
        _enter(assets, shares, receiver);
    }

    function withdraw(uint256 assets, address receiver, address owner)
        external
        once
        returns (uint256 shares)
    {
        uint256 max = maxWithdraw(owner);
        if (assets > max) revert ExceedsMax(assets, max);
        shares = previewWithdraw(assets);
        _leave(assets, shares, receiver, owner);
    }

    function redeem(uint256 shares, address receiver, address owner)
        external
        once
        returns (uint256 assets)
    {
        uint256 max = maxRedeem(owner);
        if (shares > max) revert ExceedsMax(shares, max);
        assets = previewRedeem(shares);
        _leave(assets, shares, receiver, owner);
    }

    // ---------------------------------------------------------------- ERC-20 shares

    function transfer(address to, uint256 shares) external returns (bool) {
        _move(msg.sender, to, shares);
        return true;
    }

    function transferFrom(address from, address to, uint256 shares) external returns (bool) {
        _spend(from, shares);
        _move(from, to, shares);
        return true;
    }

    function approve(address spender, uint256 shares) external returns (bool) {
        allowance[msg.sender][spender] = shares;
        emit Approval(msg.sender, spender, shares);
        return true;
    }

    // ---------------------------------------------------------------- the strategist

    /// @notice Put up to this much WETH and USDC into a new range.
    function openRange(int24 tickLower, int24 tickUpper, uint256 assets, uint256 quotes)
        external
        onlyStrategist
        once
        returns (uint256 tokenId)
    {
        if (_ranges.length == MAX_RANGES) revert TooManyRanges(MAX_RANGES);
        uint128 liquidity;
        (tokenId, liquidity,,) = positionManager.mint(
            IPositionManager.MintParams({
                token0: address(_assetIsToken0 ? asset : quote),
                token1: address(_assetIsToken0 ? quote : asset),
                fee: _fee,
                tickLower: tickLower,
                tickUpper: tickUpper,
                amount0Desired: _assetIsToken0 ? assets : quotes,
                amount1Desired: _assetIsToken0 ? quotes : assets,
                amount0Min: 0,
                amount1Min: 0,
                recipient: address(this),
                deadline: block.timestamp
            })
        );
        _ranges.push(tokenId);
        emit RangeOpened(tokenId, liquidity);
    }

    /// @notice Take a whole range and its fees back into the vault and burn the NFT.
    function closeRange(uint256 tokenId) external onlyStrategist once {
        uint256 index = _indexOf(tokenId);
        uint128 liquidity = _range(tokenId).liquidity;
        positionManager.decreaseLiquidity(
            IPositionManager.DecreaseParams(tokenId, liquidity, 0, 0, block.timestamp)
        );
        _collect(tokenId);
        positionManager.burn(tokenId);
        _ranges[index] = _ranges[_ranges.length - 1];
        _ranges.pop();
        emit RangeClosed(tokenId);
    }

    /// @notice Take a range's fees back into the vault.
    function collectFees(uint256 tokenId) external onlyStrategist once {
        _indexOf(tokenId);
        _collect(tokenId);
    }

    /// @notice Exchange WETH and USDC of the vault in the pool.
    function trade(bool sellAsset, uint256 amountIn, uint256 minOut)
        external
        onlyStrategist
        once
        returns (uint256)
    {
        return router.exactInputSingle(
            ISwapRouter.ExactInputSingleParams({
                tokenIn: address(sellAsset ? asset : quote),
                tokenOut: address(sellAsset ? quote : asset),
                fee: _fee,
                recipient: address(this),
                deadline: block.timestamp,
                amountIn: amountIn,
                amountOutMinimum: minOut,
                sqrtPriceLimitX96: 0
            })
        );
    }

    /// @notice Accept positions of the one manager; a stranger's NFT is kept but never counted.
    function onERC721Received(address, address, uint256, bytes calldata)
        external
        view
        returns (bytes4)
    {
        if (msg.sender != address(positionManager)) revert UnknownToken(msg.sender);
        return this.onERC721Received.selector;
    }

    // ---------------------------------------------------------------- inside

    function _enter(uint256 assets, uint256 shares, address receiver) private {
        if (!asset.transferFrom(msg.sender, address(this), assets)) {
            revert TransferFailed(address(asset));
        }
        totalSupply += shares;
        balanceOf[receiver] += shares;
        emit Transfer(address(0), receiver, shares);
        emit Deposit(msg.sender, receiver, assets, shares);
    }

    function _leave(uint256 assets, uint256 shares, address receiver, address owner) private {
        _spend(owner, shares);
        balanceOf[owner] -= shares;
        totalSupply -= shares;
        emit Transfer(owner, address(0), shares);
        if (!asset.transfer(receiver, assets)) revert TransferFailed(address(asset));
        emit Withdraw(msg.sender, receiver, owner, assets, shares);
    }

    function _spend(address owner, uint256 shares) private {
        if (msg.sender == owner) return;
        uint256 allowed = allowance[owner][msg.sender];
        if (allowed != type(uint256).max) allowance[owner][msg.sender] = allowed - shares;
    }

    function _move(address from, address to, uint256 shares) private {
        balanceOf[from] -= shares;
        balanceOf[to] += shares;
        emit Transfer(from, to, shares);
    }

    function _collect(uint256 tokenId) private {
        positionManager.collect(
            IPositionManager.CollectParams(
                tokenId, address(this), type(uint128).max, type(uint128).max
            )
        );
    }

    function _toShares(uint256 assets, bool up) private view returns (uint256) {
        return _mulDiv(assets, totalSupply + VIRTUAL, totalAssets() + VIRTUAL, up);
    }

    function _toAssets(uint256 shares, bool up) private view returns (uint256) {
        return _mulDiv(shares, totalAssets() + VIRTUAL, totalSupply + VIRTUAL, up);
    }

    function _indexOf(uint256 tokenId) private view returns (uint256) {
        for (uint256 i = 0; i < _ranges.length; ++i) {
            if (_ranges[i] == tokenId) return i;
        }
        revert UnknownRange(tokenId);
    }

    function _range(uint256 tokenId) private view returns (Range memory r) {
        (
            ,,,,,
            r.tickLower,
            r.tickUpper,
            r.liquidity,
            r.feeGrowthInside0LastX128,
            r.feeGrowthInside1LastX128,
            r.tokensOwed0,
            r.tokensOwed1
        ) = positionManager.positions(tokenId);
    }

    /// @dev Whitepaper §6.2: what the range would pay out now, plus what it has earned.
    function _amounts(Range memory r, uint160 sqrtPriceX96, int24 tick)
        private
        view
        returns (uint256 amount0, uint256 amount1)
    {
        uint256 lower = _sqrtPriceAtTickX96(r.tickLower);
        uint256 upper = _sqrtPriceAtTickX96(r.tickUpper);
        uint256 price = sqrtPriceX96 < lower ? lower : _min(sqrtPriceX96, upper);
        uint256 liquidityX96 = uint256(r.liquidity) * Q96;
        amount0 = liquidityX96 / price - liquidityX96 / upper + r.tokensOwed0;
        amount1 = uint256(r.liquidity) * (price - lower) / Q96 + r.tokensOwed1;
        (uint256 growth0, uint256 growth1) = _feeGrowthSince(r, tick);
        amount0 += uint256(r.liquidity) * growth0 / Q128;
        amount1 += uint256(r.liquidity) * growth1 / Q128;
    }

    /// @dev Whitepaper §6.3: growth counters wrap around by design, so differences are unchecked.
    function _feeGrowthSince(Range memory r, int24 tick)
        private
        view
        returns (uint256 growth0, uint256 growth1)
    {
        (,, uint256 lower0, uint256 lower1,,,,) = pool.ticks(r.tickLower);
        (,, uint256 upper0, uint256 upper1,,,,) = pool.ticks(r.tickUpper);
        uint256 all0 = pool.feeGrowthGlobal0X128();
        uint256 all1 = pool.feeGrowthGlobal1X128();
        unchecked {
            if (tick < r.tickLower) (lower0, lower1) = (all0 - lower0, all1 - lower1);
            if (tick >= r.tickUpper) (upper0, upper1) = (all0 - upper0, all1 - upper1);
            growth0 = all0 - lower0 - upper0 - r.feeGrowthInside0LastX128;
            growth1 = all1 - lower1 - upper1 - r.feeGrowthInside1LastX128;
        }
    }

    /// @dev Multiplied in two steps: a √price in Q96 squared does not fit 256 bits.
    function _quoteToAsset(uint256 quotes, uint256 sqrtPriceX96) private view returns (uint256) {
        if (_assetIsToken0) return (quotes * Q96 / sqrtPriceX96) * Q96 / sqrtPriceX96;
        return quotes * sqrtPriceX96 / Q96 * sqrtPriceX96 / Q96;
    }

    /// @dev √(1.0001^tick) by repeated squaring; the relative error stays below 2^-100.
    function _sqrtPriceAtTickX96(int24 tick) private pure returns (uint256) {
        uint256 left = uint256(int256(tick < 0 ? -tick : tick));
        uint256 ratioX128 = Q128;
        uint256 powerX128 = SQRT_TICK_DOWN_X128;
        while (left > 0) {
            if (left & 1 == 1) ratioX128 = ratioX128 * powerX128 / Q128;
            powerX128 = powerX128 * powerX128 / Q128;
            left >>= 1;
        }
        if (tick > 0) ratioX128 = type(uint256).max / ratioX128;
        return ratioX128 >> 32;
    }

    function _mulDiv(uint256 a, uint256 b, uint256 c, bool up) private pure returns (uint256) {
        uint256 product = a * b;
        return product / c + (up && product % c > 0 ? 1 : 0);
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
