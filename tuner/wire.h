/* What parent and worker say to each other: messages of a head and a body, and the fields of a body.
 *
 *     head    mark, kind, serial, bytes of the body: 4 bytes each
 *     fields  numbers of 4 or 8 bytes as the machine has them (both ends are one machine), text as its length and bytes
 *
 * Whoever reads believes nothing: a body is taken field by field, and one step beyond its end breaks it for good. */
#ifndef HONE_TUNER_WIRE_H
#define HONE_TUNER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HONE_WIRE_HEAD = 16, HONE_WIRE_BODY_MAX = 1 << 20, HONE_WIRE_PROTOCOL = 1 };
#define HONE_WIRE_MARK 0x31574e48u /* "HNW1" */

typedef enum hone_wire_kind {
    HONE_WIRE_HELLO = 1, /* the parent asks ... */
    HONE_WIRE_PROBLEM,
    HONE_WIRE_ADMIT,
    HONE_WIRE_TIME,
    HONE_WIRE_DROP,
    HONE_WIRE_ANSWER = 100 /* ... and each answer has the kind of its question, and so much */
} hone_wire_kind;

typedef struct hone_wire {
    unsigned char *at;
    size_t         capacity, length; /* while it is written: length; while it is read: what there is */
    size_t         next;             /* the next byte that is read */
    bool           broken;           /* did not fit, or was not there */
} hone_wire;

/* Fields come behind the head. */
void hone_wire_begin(hone_wire *wire);
void hone_wire_put_number(hone_wire *wire, uint32_t value);
void hone_wire_put_size(hone_wire *wire, uint64_t value);
void hone_wire_put_real(hone_wire *wire, double value);
void hone_wire_put_text(hone_wire *wire, const char *text);
/* Completes the head. False: it did not fit. */
bool hone_wire_seal(hone_wire *wire, uint32_t kind, uint32_t serial);

/* Of a head: the bytes of its body; -1 where it is not what was waited for. */
int64_t hone_wire_expect(const unsigned char *head, uint32_t kind, uint32_t serial);
/* Kind and serial of a head, whatever they are; -1 where it is none. */
int64_t hone_wire_open(const unsigned char *head, uint32_t *kind, uint32_t *serial);

/* Of a broken body: 0, and no text. */
uint32_t hone_wire_number(hone_wire *wire);
uint64_t hone_wire_size(hone_wire *wire);
double   hone_wire_real(hone_wire *wire);
/* As much of it as there is room for; control letters become '?'. */
void     hone_wire_text(hone_wire *wire, char *out, size_t capacity);
/* All was taken, and nothing was missing. */
bool     hone_wire_ended(const hone_wire *wire);

#endif
