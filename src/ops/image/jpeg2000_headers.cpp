// What the markers of a JPEG 2000 file (ISO/IEC 15444-1) ask of a decoder, before one is started:
// OpenJPEG allocates as they say, and a few bytes can say gigabytes.
#include <algorithm>
#include <string_view>

#include "core/error.h"
#include "ops/image/formats.h"

namespace quern::ops::image {
namespace {

constexpr std::string_view kHeaders = "JPEG 2000";

[[noreturn]] void corrupt(std::string_view what) {
  refuse(ErrorCode::corrupt_file, kHeaders, what);
}

/// Big-endian numbers, one after another.
class Markers {
 public:
  explicit Markers(FileBytes bytes) : bytes_(bytes) {}

  std::uint64_t next(std::size_t size) {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : take(size)) value = value << 8 | byte;
    return value;
  }
  FileBytes take(std::uint64_t size) {
    if (size > bytes_.size()) corrupt("the file ends too early");
    const FileBytes taken = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return taken;
  }
  std::size_t left() const { return bytes_.size(); }
  FileBytes rest() const { return bytes_; }

 private:
  FileBytes bytes_;
};

struct Box {
  std::uint64_t kind;
  FileBytes content;
};

Box next_box(Markers& boxes) {
  const std::size_t before = boxes.left();
  std::uint64_t size = boxes.next(4);
  const std::uint64_t kind = boxes.next(4);
  if (size == 1) size = boxes.next(8);
  const std::uint64_t header = before - boxes.left();
  if (size == 0) return {kind, boxes.take(boxes.left())};
  if (size < header) corrupt("a box is shorter than its header");
  return {kind, boxes.take(size - header)};
}

constexpr std::uint64_t kHeaderBox = 0x6a703268;      // jp2h
constexpr std::uint64_t kPaletteBox = 0x70636c72;     // pclr
constexpr std::uint64_t kCodestreamBox = 0x6a703263;  // jp2c

/// The codestream of a file of boxes; a palette must not make more than four channels.
FileBytes codestream_of(FileBytes file) {
  Markers boxes(file);
  while (boxes.left() > 0) {
    const Box box = next_box(boxes);
    if (box.kind == kCodestreamBox) return box.content;
    if (box.kind != kHeaderBox) continue;
    Markers inner(box.content);
    while (inner.left() > 0) {
      const Box part = next_box(inner);
      if (part.kind == kPaletteBox && part.content.size() >= 3 && part.content[2] > 4)
        refuse(ErrorCode::unsupported, kHeaders, "a palette of more than 4 channels");
    }
  }
  corrupt("no box has a codestream");
}

/// What SIZ says.
struct Jpeg2000Grid {
  std::uint64_t width = 0, height = 0, tiles = 0, components = 0;
};

Jpeg2000Grid read_grid(Markers siz) {
  siz.next(2);  // capabilities
  std::uint64_t numbers[8];
  for (std::uint64_t& number : numbers) number = siz.next(4);
  const auto& [x1, y1, x0, y0, tile_width, tile_height, tile_x, tile_y] = numbers;
  if (x0 >= x1 || y0 >= y1 || tile_width == 0 || tile_height == 0 || tile_x > x0 || tile_y > y0)
    corrupt("the image or its tiles are empty");
  Jpeg2000Grid grid{.width = x1 - x0, .height = y1 - y0};
  check_size(kHeaders, static_cast<std::int64_t>(grid.width),
             static_cast<std::int64_t>(grid.height));
  grid.tiles = ((x1 - tile_x + tile_width - 1) / tile_width) *
               ((y1 - tile_y + tile_height - 1) / tile_height);
  grid.components = siz.next(2);
  constexpr std::uint64_t kMostTiles = 4096;
  constexpr std::uint64_t kMostComponents = 4;
  if (grid.tiles > kMostTiles || grid.components == 0 || grid.components > kMostComponents)
    fail(ErrorCode::unsupported,
         "decode_image: {}: {} tiles of {} components, at most {} of {} are read", kHeaders,
         grid.tiles, grid.components, kMostTiles, kMostComponents);
  return grid;
}

enum Marker : std::uint64_t {
  kStart = 0xff4f,
  kGrid = 0xff51,
  kCoding = 0xff52,
  kCodingOfComponent = 0xff53,
  kTilePart = 0xff90,
  kTileData = 0xff93,
  kEnd = 0xffd9,
};

/// What the COD and COC markers of a file's header and its tiles' say.
class CodingMarkers {
 public:
  explicit CodingMarkers(const Jpeg2000Grid& grid) : grid_(grid) {}

  /// Takes the markers of `stream` up to and with `last`.
  void check_until(Marker last, Markers& stream) {
    for (std::uint64_t marker = stream.next(2); marker != last; marker = stream.next(2)) {
      const std::uint64_t size = stream.next(2);
      if (marker < 0xff00 || size < 2) corrupt("a marker is damaged");
      Markers content(stream.take(size - 2));
      if (marker == kCoding) {
        const std::uint64_t style = content.next(1);
        content.next(1);  // order of packets
        layers_ = std::max(layers_, content.next(2));
        content.next(1);  // transform of components
        check_coding((style & 1) != 0, content);
      } else if (marker == kCodingOfComponent) {
        content.next(1);  // which one: at most 4 have one byte
        const std::uint64_t style = content.next(1);
        check_coding((style & 1) != 0, content);
      } else if (marker == kGrid) {
        corrupt("a second SIZ marker");
      }
    }
  }

 private:
  /// Levels, code-blocks and precincts.
  void check_coding(bool has_precincts, Markers coding) {
    constexpr std::uint64_t kMostLevels = 32;
    const std::uint64_t levels = coding.next(1);
    const std::uint64_t block_width = (coding.next(1) & 15) + 2;
    const std::uint64_t block_height = (coding.next(1) & 15) + 2;
    coding.next(2);  // style, transform
    if (levels > kMostLevels) corrupt("more than 32 levels");
    std::uint64_t precincts = 0;
    std::uint64_t blocks = 0;
    for (std::uint64_t level = 0; level <= levels; ++level) {
      const std::uint64_t sizes = has_precincts ? coding.next(1) : 0xff;
      const std::uint64_t width = (grid_.width >> (levels - level)) + 1;
      const std::uint64_t height = (grid_.height >> (levels - level)) + 1;
      const auto count = [&](std::uint64_t across, std::uint64_t down) {
        return ((width >> across) + 1) * ((height >> down) + 1);
      };
      const std::uint64_t across = sizes & 15;
      const std::uint64_t down = sizes >> 4;
      precincts += count(across, down) + grid_.tiles;
      blocks += count(std::min(block_width, across), std::min(block_height, down));
    }
    places_ = std::max(places_, precincts * (levels + 1));
    // A precinct or block takes some hundred bytes, a packet's place two.
    constexpr std::uint64_t kMostParts = std::uint64_t{1} << 20;
    constexpr std::uint64_t kMostPackets = std::uint64_t{1} << 23;
    if (precincts + blocks > kMostParts || places_ * layers_ > kMostPackets)
      fail(ErrorCode::unsupported, "decode_image: {}: {} precincts, {} code-blocks, {} layers",
           kHeaders, precincts, blocks, layers_);
  }

  const Jpeg2000Grid& grid_;
  std::uint64_t layers_ = 1;
  std::uint64_t places_ = 0;  ///< of packets of one layer
};

}  // namespace

void check_jpeg2000(FileBytes file) {
  Markers stream(file[0] == 0 ? codestream_of(file) : file);
  if (stream.next(2) != kStart || stream.next(2) != kGrid) corrupt("no SIZ marker at the start");
  const std::uint64_t size = stream.next(2);
  if (size < 2) corrupt("a marker is damaged");
  const Jpeg2000Grid grid = read_grid(Markers(stream.take(size - 2)));
  CodingMarkers coding(grid);
  coding.check_until(kTilePart, stream);
  while (true) {
    Markers part = stream;  // from behind its marker
    if (part.next(2) != 10) corrupt("a SOT marker is damaged");
    part.next(2);  // which tile
    const std::uint64_t length = part.next(4);
    part.next(2);  // which part, of how many
    coding.check_until(kTileData, part);
    if (length == 0) return;
    const std::uint64_t header = stream.left() - part.left() + 2;
    if (length < header) corrupt("a tile's part is shorter than its header");
    stream.take(length - 2);
    if (stream.left() < 2) return;
    const std::uint64_t next = stream.next(2);
    if (next == kEnd) return;
    if (next != kTilePart) corrupt("no tile's part where one should begin");
  }
}

}  // namespace quern::ops::image
