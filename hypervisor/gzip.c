// SPDX-License-Identifier: MIT
// See gzip.h. One state for input bits and output bytes; whatever goes wrong sets `wrong`, after which
// bits read as 0 and every loop ends. Codes are decoded bit by bit from the counts of their lengths
// (canonical codes, RFC 1951 section 3.2.2): slow, small, and done once.
#include "hypervisor/gzip.h"
#include "hypervisor/string.h"

#define MAX_BITS 15
#define LITERALS 288
#define DISTANCES 32
#define LENGTH_CODES 19
#define END_OF_BLOCK 256

#define HEADER_BYTES 10
#define TRAILER_BYTES 8
enum { HAS_CRC = 0x02, HAS_EXTRA = 0x04, HAS_NAME = 0x08, HAS_COMMENT = 0x10, RESERVED = 0xe0 };

struct inflate {
    const uint8_t *in, *in_end;
    uint8_t *out, *out_start, *out_end;
    uint32_t bits; // read and not used yet, the next one lowest
    unsigned bit_count;
    const char *wrong;
};

// Symbols in the order of their codes, and how many there are of each length.
struct code {
    uint16_t count[MAX_BITS + 1], symbol[LITERALS];
};

static void fail(struct inflate *s, const char *wrong)
{
    if (!s->wrong)
        s->wrong = wrong;
    s->in = s->in_end;
}

static unsigned take_bits(struct inflate *s, unsigned count)
{
    while (s->bit_count < count) {
        if (s->in == s->in_end) {
            fail(s, "the packed file is truncated");
            return 0;
        }
        s->bits |= (uint32_t)*s->in++ << s->bit_count;
        s->bit_count += 8;
    }
    unsigned value = s->bits & ((1u << count) - 1);
    s->bits >>= count;
    s->bit_count -= count;
    return value;
}

static void put_byte(struct inflate *s, uint8_t byte)
{
    if (s->out == s->out_end)
        fail(s, "the packed file holds more than it says");
    else
        *s->out++ = byte;
}

// The code whose symbol i has length[i] bits, 0 for none. It may be incomplete (one distance alone, RFC 1951
// section 3.2.7), but not have more codes than fit.
static void code_make(struct inflate *s, struct code *code, const uint8_t *length, unsigned symbols)
{
    uint16_t next[MAX_BITS + 1] = {0};
    int left = 1;

    memset(code, 0, sizeof(*code));
    for (unsigned i = 0; i < symbols; i++)
        code->count[length[i]]++;
    code->count[0] = 0;
    for (unsigned bits = 1; bits <= MAX_BITS; bits++) {
        left = left * 2 - code->count[bits];
        if (left < 0) {
            fail(s, "the packed file has an impossible code");
            return;
        }
    }
    for (unsigned bits = 1; bits < MAX_BITS; bits++)
        next[bits + 1] = next[bits] + code->count[bits];
    for (unsigned i = 0; i < symbols; i++) {
        if (length[i])
            code->symbol[next[length[i]]++] = (uint16_t)i;
    }
}

static unsigned take_symbol(struct inflate *s, const struct code *code)
{
    unsigned value = 0, first = 0, index = 0;

    for (unsigned bits = 1; bits <= MAX_BITS && !s->wrong; bits++) {
        value |= take_bits(s, 1);
        if (value - first < code->count[bits])
            return code->symbol[index + value - first];
        index += code->count[bits];
        first = (first + code->count[bits]) << 1;
        value <<= 1;
    }
    fail(s, "the packed file has a code that stands for nothing");
    return END_OF_BLOCK;
}

static void copy_match(struct inflate *s, unsigned length, unsigned distance)
{
    if (distance > (size_t)(s->out - s->out_start)) {
        fail(s, "the packed file points before its beginning");
        return;
    }
    while (length-- && !s->wrong)
        put_byte(s, *(s->out - distance));
}

static void inflate_symbols(struct inflate *s, const struct code *literals,
                            const struct code *distances)
{
    // RFC 1951 section 3.2.5: least value and extra bits of each length and distance symbol.
    static const uint16_t length_base[] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                           15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                           67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint16_t distance_base[] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

    while (!s->wrong) {
        unsigned symbol = take_symbol(s, literals);
        if (symbol == END_OF_BLOCK)
            return;
        if (symbol < END_OF_BLOCK) {
            put_byte(s, (uint8_t)symbol);
            continue;
        }
        symbol -= END_OF_BLOCK + 1;
        if (symbol >= ARRAY_SIZE(length_base)) {
            fail(s, "the packed file has a length that does not exist");
            return;
        }
        bool is_plain = symbol < 8 || symbol == ARRAY_SIZE(length_base) - 1;
        unsigned length = length_base[symbol] + (is_plain ? 0 : take_bits(s, symbol / 4 - 1));
        symbol = take_symbol(s, distances);
        if (symbol >= ARRAY_SIZE(distance_base)) {
            fail(s, "the packed file has a distance that does not exist");
            return;
        }
        copy_match(s, length,
                   distance_base[symbol] + (symbol < 4 ? 0 : take_bits(s, symbol / 2 - 1)));
    }
}

static void inflate_stored(struct inflate *s)
{
    s->bits = s->bit_count = 0; // the rest of the byte
    unsigned length = take_bits(s, 16), complement = take_bits(s, 16);

    if (length != (complement ^ 0xffff))
        fail(s, "the packed file has a block of uncertain length");
    while (length-- && !s->wrong)
        put_byte(s, (uint8_t)take_bits(s, 8));
}

static void inflate_fixed(struct inflate *s)
{
    static struct code literals, distances;
    uint8_t length[LITERALS];

    for (unsigned i = 0; i < LITERALS; i++)
        length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    code_make(s, &literals, length, LITERALS);
    memset(length, 5, DISTANCES);
    code_make(s, &distances, length, DISTANCES);
    inflate_symbols(s, &literals, &distances);
}

// `symbols` code lengths, packed themselves (RFC 1951 section 3.2.7).
static void take_lengths(struct inflate *s, const struct code *code, uint8_t *length,
                         unsigned symbols)
{
    for (unsigned i = 0; i < symbols && !s->wrong;) {
        unsigned symbol = take_symbol(s, code), repeat = 1;
        uint8_t value = (uint8_t)symbol;
        if (symbol == 16) {
            value = i ? length[i - 1] : 0;
            repeat = i ? 3 + take_bits(s, 2) : symbols + 1; // nothing to repeat: too many
        } else if (symbol > 16) {
            value = 0;
            repeat = symbol == 17 ? 3 + take_bits(s, 3) : 11 + take_bits(s, 7);
        }
        if (repeat > symbols - i) {
            fail(s, "the packed file has lengths of codes that do not exist");
            return;
        }
        while (repeat--)
            length[i++] = value;
    }
}

static void inflate_dynamic(struct inflate *s)
{
    static const uint8_t order[LENGTH_CODES] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    static struct code lengths, literals, distances;
    uint8_t length[LITERALS + DISTANCES] = {0};
    unsigned literal_count = 257 + take_bits(s, 5), distance_count = 1 + take_bits(s, 5),
             code_count = 4 + take_bits(s, 4);

    for (unsigned i = 0; i < code_count; i++)
        length[order[i]] = (uint8_t)take_bits(s, 3);
    code_make(s, &lengths, length, LENGTH_CODES);
    memset(length, 0, sizeof(length));
    take_lengths(s, &lengths, length, literal_count + distance_count);
    code_make(s, &literals, length, MIN(literal_count, LITERALS));
    code_make(s, &distances, length + literal_count, distance_count);
    inflate_symbols(s, &literals, &distances);
}

static void inflate_blocks(struct inflate *s)
{
    bool is_last = false;

    while (!is_last && !s->wrong) {
        is_last = take_bits(s, 1);
        switch (take_bits(s, 2)) {
        case 0:
            inflate_stored(s);
            break;
        case 1:
            inflate_fixed(s);
            break;
        case 2:
            inflate_dynamic(s);
            break;
        default:
            fail(s, "the packed file has a block of an unknown kind");
        }
    }
}

// Bytes up to and with a zero.
static const uint8_t *behind_text(const uint8_t *at, const uint8_t *end)
{
    while (at < end && *at)
        at++;
    return at < end ? at + 1 : end;
}

// The first byte behind the header, NULL if there is none.
static const uint8_t *behind_header(const uint8_t *file, const uint8_t *end)
{
    const uint8_t *at = file + HEADER_BYTES;
    uint8_t flags = file[3];

    if (flags & RESERVED)
        return NULL;
    if (flags & HAS_EXTRA) {
        if (end - at < 2 || end - at < 2 + (at[0] | at[1] << 8))
            return NULL;
        at += 2 + (at[0] | at[1] << 8);
    }
    if (flags & HAS_NAME)
        at = behind_text(at, end);
    if (flags & HAS_COMMENT)
        at = behind_text(at, end);
    at += flags & HAS_CRC ? 2 : 0;
    return at < end ? at : NULL;
}

// CRC-32 (RFC 1952 section 8), four bits at a time.
static uint32_t crc32(const uint8_t *data, size_t size)
{
    uint32_t table[16], crc = ~0u;

    for (uint32_t i = 0; i < ARRAY_SIZE(table); i++) {
        table[i] = i;
        for (unsigned bit = 0; bit < 4; bit++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
    }
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static uint32_t little_endian(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

bool gzip_is_packed(const void *file, size_t size)
{
    static const uint8_t magic[] = {0x1f, 0x8b, 8}; // 8: deflate

    return size >= HEADER_BYTES + TRAILER_BYTES && memcmp(file, magic, sizeof(magic)) == 0;
}

uint32_t gzip_contents_size(const void *file, size_t size)
{
    return little_endian((const uint8_t *)file + size - sizeof(uint32_t));
}

const char *gzip_unpack(void *to, size_t room, const void *file, size_t size)
{
    const uint8_t *start = file, *end = start + size - TRAILER_BYTES;
    struct inflate s = {
        .in = behind_header(start, end),
        .in_end = end,
        .out = to,
        .out_start = to,
        .out_end = (uint8_t *)to + room,
    };

    if (!s.in)
        return "the packed file's header is damaged";
    inflate_blocks(&s);
    if (s.wrong)
        return s.wrong;
    if (s.out != s.out_end || s.in != s.in_end)
        return "the packed file does not end where its contents end";
    if (crc32(to, room) != little_endian(end))
        return "the packed file is damaged: its checksum is wrong";
    return NULL;
}

static const struct kernel_packing packing = {gzip_is_packed, gzip_contents_size, gzip_unpack};
MODULE_PART(kernel_packing, packing);
