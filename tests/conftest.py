"""Settings of Hypothesis for every test: no deadline (the first call of a kernel compiles it), and under CI
the same examples every time, so that a red run is about the change and not about luck."""

import os

from hypothesis import settings

settings.register_profile("czengine", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("czengine")
