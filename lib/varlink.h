/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * varlink.h - one connection that speaks the Varlink wire format (https://varlink.org): JSON
 * objects, each ended by a NUL, over a stream socket. Both ends use it.
 */
#ifndef CHOPPY_VARLINK_H
#define CHOPPY_VARLINK_H

#include "choppy.h"
#include "json.h"
#include "json_read.h"

#define VARLINK_MESSAGE_MAX (4 << 20) /* bytes of one message */
#define VARLINK_FDS_MAX 8

struct varlink {
	int fd;
	char *in, *out;
	size_t in_len, in_room, in_done; /* in_done: of the message that was handed out */
	size_t out_len, out_room, out_at;
	int send[VARLINK_FDS_MAX], nsend; /* go with what is sent next: own copies */
	int got[VARLINK_FDS_MAX], ngot; /* came with what was read */
};
#define VARLINK_NONE                                                                               \
	{                                                                                          \
		.fd = -1                                                                           \
	}

void varlink_close(struct varlink *v);

/* Read what is there. 0; -EAGAIN: nothing; -ECONNRESET: the other end has closed; -E2BIG. */
int varlink_read(struct varlink *v);

/* The next whole message, valid until the next call; NULL: there is none yet. */
const char *varlink_next(struct varlink *v, size_t *ret_size);

/*
 * Put a message behind what waits to be sent, with copies of @nfds descriptors. -E2BIG: these and
 * those that wait are more than VARLINK_FDS_MAX. -ENOMEM, -EBADF, -EMFILE.
 */
int varlink_put(struct varlink *v, const char *text, size_t size, const int *fds, int nfds);

/* Send what waits, as far as the socket takes it. 0: all; -EAGAIN: not yet; else a failure. */
int varlink_flush(struct varlink *v);

/* A message in the making. */
struct varlink_text {
	struct json json;
	char *text;
	size_t size;
};
int varlink_begin(struct varlink_text *t);
/* NULL: no memory. To be freed; @ret_size without the NUL. */
char *varlink_end(struct varlink_text *t, size_t *ret_size);

#endif
