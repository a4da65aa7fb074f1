"""kisnb inside IPython and its event loop: awaited magics, interrupts, the loop-lag watch."""
