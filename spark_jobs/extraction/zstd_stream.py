"""zstd: unpacked in bounded memory, whatever its window and however well it is packed."""

from typing import BinaryIO

import zstandard

LARGEST_WINDOW_BYTES = 2 << 30
"""What `zstd --long=31` writes, as the dumps of Reddit do. A task needs that much memory to unpack such a file."""
READ_BYTES = 256 << 10
"""How much of the packed file is read at a time."""
STEP_BYTES = 2 << 10
"""How much is unpacked at a time: not more than 64 MiB can come of it, as a block of 128 KiB takes four bytes."""


class ZstdStream:
    """The unpacked bytes of a zstd file of any number of frames.

    The streams of `zstandard` do not tell the end of a frame from that of a file that is cut short.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW_BYTES)
        self._frame = self._unpacker.decompressobj()
        self._is_in_frame = False
        self._packed = memoryview(b"")
        self._unpacked = bytearray()

    def read(self, size: int) -> bytes:
        """As many bytes, or fewer at the end. Raises OSError for damaged data, EOFError where the file is cut short."""
        while len(self._unpacked) < size:
            if not self._packed:
                self._packed = memoryview(self._file.read(READ_BYTES))
            if not self._packed:
                if self._is_in_frame:
                    raise EOFError("Compressed file ended before the end-of-stream marker was reached")
                break
            self._unpack_step()
        chunk = bytes(memoryview(self._unpacked)[:size])
        del self._unpacked[:size]
        return chunk

    def _unpack_step(self) -> None:
        step = self._packed[:STEP_BYTES]
        try:
            self._unpacked += self._frame.decompress(step)
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from error
        rest = len(self._frame.unused_data) if self._frame.eof else 0
        self._packed = self._packed[len(step) - rest :]
        self._is_in_frame = not self._frame.eof
        if self._frame.eof:
            self._frame = self._unpacker.decompressobj()

    def close(self) -> None:
        self._file.close()
