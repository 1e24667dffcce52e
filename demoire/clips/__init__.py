"""Clips: videos, animations, series of pictures, in and out frame by frame."""
