"""Builds the single file, `ringside.pyz`. `onefile.bootstrap` is what runs first in it."""
