"""How Chromium is started for tests: a browser without what a browser is around its pages."""

_OF_PLAYWRIGHT = (
    *("AvoidCorsURLLoaderRestartOnRedirect", "AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose"),
    *("HttpsFirstBalancedModeAutoEnable", "HttpsUpgrades", "PaintHolding", "ThirdPartyStoragePartitioning"),
    *("AimEnabled", "LensOverlay", "MediaRouter", "NetworkTimeServiceQuerying", "OptimizationHints"),
    "PreconnectToSearch",
)
"""What Playwright switches off by itself: of two such lists Chromium takes the last."""

_OF_THE_ADDRESS_BAR = ("WebUIOmniboxAimPopup", "WebUIOmniboxPopup")
"""Two pages of its own that it loads for each window, for two thirds of the processor time that a window takes."""

SWITCHES = ("--no-sandbox", "--disable-features=" + ",".join(_OF_PLAYWRIGHT + _OF_THE_ADDRESS_BAR))
