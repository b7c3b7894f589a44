/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dgram.h - datagrams with all of their addresses: received for an address that the socket is not
 * bound to, sent from one that is not this machine's, and the errors that came back.
 */
#ifndef CHOPPY_DGRAM_H
#define CHOPPY_DGRAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address and port, or an address alone: comparable with memcmp(3). */
struct endpoint {
	uint16_t family; /* AF_INET, AF_INET6; 0: none */
	uint16_t port; /* host byte order */
	uint8_t addr[16]; /* an IPv4 address in the first 4, zero behind it */
};

static inline uint32_t endpoint_addr_len(const struct endpoint *e)
{
	return e->family == AF_INET6 ? 16 : 4;
}

socklen_t endpoint_to(struct sockaddr_storage *ret, const struct endpoint *e);
/* Family 0 when @sa is of neither family. */
struct endpoint endpoint_of(const void *sa);

struct dgram {
	struct endpoint from, to; /* @from: who sent it; @to: the port may be 0 (raw sockets) */
	uint8_t ttl; /* or hop limit; 0: not told, or the default */
	uint8_t tos; /* or traffic class, ECN bits included */
	size_t len;
	bool fragments; /* it came in */
};

/* An error that somebody on the way answered (RFC 792, RFC 4443). */
struct dgram_error {
	struct endpoint to; /* where the datagram had gone */
	struct endpoint offender; /* who answered; family 0: this machine's kernel */
	uint8_t type, code; /* of @to's family */
	uint32_t info; /* the MTU of "packet too big", in bytes; else 0 */
	size_t len; /* of what is left of the datagram's payload */
};

/*
 * Ask for everything that dgram_receive() tells, of a bound socket. @original: it receives for
 * addresses that are not its own (IP_TRANSPARENT). 0 or a negative errno.
 */
int dgram_prepare(int fd, int family, bool original);
/* Ask for errors (IP_RECVERR), and for traffic classes, of an unbound socket. */
int dgram_prepare_outside(int fd, int family);

/* 0 or a negative errno; what is longer than @size is -EMSGSIZE. Raw IPv4 sockets give the IP
 * header too. */
int dgram_receive(int fd, void *buf, size_t size, struct dgram *ret);
/* -EAGAIN: there is none (any more). One without a type of the kernel's own making has @type 0. */
int dgram_receive_error(int fd, void *buf, size_t size, struct dgram_error *ret);

/*
 * Send @d->len bytes to @d->to; from @d->from where its family is not 0, whose port counts for
 * nothing: that is the socket's. 0 or a negative errno.
 */
int dgram_send(int fd, const void *buf, const struct dgram *d);

#endif
