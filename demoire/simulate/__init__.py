"""Simulated captures: a clean picture shown on a display and photographed by a camera, with its own clean target.

The stages follow the light: ``display`` (sub-pixel mask) -> ``geometry`` (where each sensor pixel looks) -> ``optics``
(what its aperture and the lens blur) -> ``sensor`` (CFA, noise) -> ``isp`` -> ``delivery`` (resize, JPEG); ``capture``
puts them together. Clips take the same way: ``motion`` (a hand, content that moves) -> ``sequence`` -> ``video``.
"""
