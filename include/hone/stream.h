/* Streams: the order in which a device does things. One stream, one thread at a time. */
#ifndef HONE_STREAM_H
#define HONE_STREAM_H

#include <hone/api.h>
#include <hone/device.h>
#include <hone/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_stream hone_stream;
typedef struct hone_event  hone_event;

/** Makes a stream on `device`. A CPU's stream does its work inside the call. On failure *out is NULL. Any thread. */
HONE_API HONE_MUST_USE hone_status hone_stream_create(hone_device *device, hone_stream **out);

/** Waits for what is queued, then ends the stream. It is ended in any case; a late error that nobody was told of yet is
 *  the status. NULL is fine. HONE_ERROR_THREAD while another thread uses it: then it lives on. */
HONE_API hone_status hone_stream_destroy(hone_stream *stream);

/** Returns when everything queued is done. A device's late error is told here, by the name of the plan and the problem
 *  that caused it, and by every later call on the stream until hone_stream_reset. */
HONE_API HONE_MUST_USE hone_status hone_stream_wait(hone_stream *stream);

/** Waits, forgets a late error, and makes the stream usable again. */
HONE_API HONE_MUST_USE hone_status hone_stream_reset(hone_stream *stream);

/** An event: a mark in one stream that others, or the host, can wait for. On failure *out is NULL. */
HONE_API HONE_MUST_USE hone_status hone_event_create(hone_device *device, hone_event **out);
HONE_API hone_status               hone_event_destroy(hone_event *event); /* NULL is fine */

/** Marks the present end of the stream's queue. Event and stream must be of one device. */
HONE_API HONE_MUST_USE hone_status hone_event_record(hone_event *event, hone_stream *stream);

/** Returns when the mark is passed; at once when it was never set. One thread at a time: HONE_ERROR_THREAD tells a
 *  second one. */
HONE_API HONE_MUST_USE hone_status hone_event_wait(hone_event *event);

/** What is queued on `stream` from now on waits for the mark. Event and stream may be of different devices. */
HONE_API HONE_MUST_USE hone_status hone_stream_wait_event(hone_stream *stream, hone_event *event);

#ifdef __cplusplus
}
#endif
#endif
