/* Heads and fields: see wire.h. */
#include "tuner/wire.h"

#include <string.h>

static void put(hone_wire *wire, const void *data, size_t bytes)
{
    if (wire->broken || bytes > wire->capacity - wire->length) {
        wire->broken = true;
        return;
    }
    if (bytes) memcpy(wire->at + wire->length, data, bytes);
    wire->length += bytes;
}

void hone_wire_begin(hone_wire *wire)
{
    wire->broken = wire->capacity < HONE_WIRE_HEAD;
    wire->length = wire->broken ? 0 : HONE_WIRE_HEAD;
}

void hone_wire_put_number(hone_wire *wire, uint32_t value)
{
    put(wire, &value, sizeof value);
}

void hone_wire_put_size(hone_wire *wire, uint64_t value)
{
    put(wire, &value, sizeof value);
}

void hone_wire_put_real(hone_wire *wire, double value)
{
    put(wire, &value, sizeof value);
}

void hone_wire_put_text(hone_wire *wire, const char *text)
{
    size_t length = strlen(text);
    hone_wire_put_number(wire, (uint32_t)length);
    put(wire, text, length);
}

bool hone_wire_seal(hone_wire *wire, uint32_t kind, uint32_t serial)
{
    size_t bytes = wire->length - HONE_WIRE_HEAD;
    if (wire->broken || bytes > HONE_WIRE_BODY_MAX) return false;
    const uint32_t head[4] = {HONE_WIRE_MARK, kind, serial, (uint32_t)bytes};
    memcpy(wire->at, head, sizeof head);
    return true;
}

int64_t hone_wire_open(const unsigned char *head, uint32_t *kind, uint32_t *serial)
{
    uint32_t words[4];
    memcpy(words, head, sizeof words);
    *kind = words[1];
    *serial = words[2];
    return words[0] == HONE_WIRE_MARK && words[3] <= HONE_WIRE_BODY_MAX ? (int64_t)words[3] : -1;
}

int64_t hone_wire_expect(const unsigned char *head, uint32_t kind, uint32_t serial)
{
    uint32_t its_kind, its_serial;
    int64_t  bytes = hone_wire_open(head, &its_kind, &its_serial);
    return its_kind == kind && its_serial == serial ? bytes : -1;
}

static void take(hone_wire *wire, void *out, size_t bytes)
{
    if (wire->broken || bytes > wire->length - wire->next) {
        wire->broken = true;
        memset(out, 0, bytes);
        return;
    }
    memcpy(out, wire->at + wire->next, bytes);
    wire->next += bytes;
}

uint32_t hone_wire_number(hone_wire *wire)
{
    uint32_t out;
    take(wire, &out, sizeof out);
    return out;
}

uint64_t hone_wire_size(hone_wire *wire)
{
    uint64_t out;
    take(wire, &out, sizeof out);
    return out;
}

double hone_wire_real(hone_wire *wire)
{
    double out;
    take(wire, &out, sizeof out);
    return out;
}

void hone_wire_text(hone_wire *wire, char *out, size_t capacity)
{
    size_t length = hone_wire_number(wire), kept;
    if (length > wire->length - wire->next) wire->broken = true;
    kept = wire->broken ? 0 : length < capacity ? length : capacity - 1;
    for (size_t i = 0; i < kept; i++) {
        unsigned char letter = wire->at[wire->next + i];
        out[i] = letter >= ' ' && letter != 127 ? (char)letter : '?';
    }
    out[kept] = 0;
    if (!wire->broken) wire->next += length;
}

bool hone_wire_ended(const hone_wire *wire)
{
    return !wire->broken && wire->next == wire->length;
}
