"""Standard error of a relay: its log, and on a terminal one line below that, which is rewritten."""

import logging
import shutil
from typing import Final, TextIO

__all__ = ["LOGGER", "Screen"]

LOGGER: Final = logging.getLogger("aiotracker.relay")
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(message)s"
CLEAR_LINE: Final = "\r\x1b[2K"  # ECMA-48, EL with parameter 2


class Screen(logging.StreamHandler[TextIO]):
    """Where log lines go, and progress with them."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a terminal, or to what somebody reads later."""
        super().__init__(stream)
        self.setFormatter(logging.Formatter(LOG_FORMAT))
        self.is_terminal: bool = stream.isatty()
        self._line = ""

    def show(self, line: str) -> None:
        """Show how it goes: in place of the line before on a terminal, as a log line elsewhere."""
        if not self.is_terminal:
            LOGGER.info("%s", line)
            return
        self.acquire()
        try:
            self._line = line[: shutil.get_terminal_size().columns - 1]  # a full line would wrap, and stay
            self._write(CLEAR_LINE + self._line)
        finally:
            self.release()

    def leave(self) -> None:
        """Take the line of a terminal away."""
        if self._line:
            self.show("")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a log line above the one that shows how it goes. Called with the lock held."""
        if not self._line:
            super().emit(record)
            return
        self._write(CLEAR_LINE)
        super().emit(record)
        self._write(self._line)

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.flush()
