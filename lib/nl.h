/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nl.h - netlink: one socket a namespace, a checked message builder, batches,
 * dumps, and the kernel's extended-ack text in every error.
 *
 * A builder (struct nl_msg) is a fixed buffer with a sticky error: appends
 * return nothing; overflow or a bad nest is reported once, when it is sent.
 * Several messages may be put into one buffer; they are sent in one system call,
 * acknowledged one by one, and the first refusal is the result.
 */
#ifndef CHOPPY_NL_H
#define CHOPPY_NL_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "choppy.h"

struct nl; /* a socket, bound to the namespace that it was opened in */

/* Open a socket of @family (NETLINK_ROUTE, NETLINK_NETFILTER) in the current namespace. */
int nl_open(struct nl **ret, int family, struct choppy_err *err);
void nl_close(struct nl *nl); /* NULL is fine */
int nl_fd(const struct nl *nl);

#define NL_MSG_MAX 69632 /* one attribute of the greatest length, and some more */
#define NL_MSG_LABELS 32
#define NL_MSG_NESTS 8

/* Messages in the making. The label of each (what it does, in words) prefixes its error. */
struct nl_msg {
	_Alignas(8) char buf[NL_MSG_MAX];
	size_t len; /* bytes of complete messages before @cur */
	struct nlmsghdr *cur;
	int error; /* sticky */
	int n;
	uint32_t nest[NL_MSG_NESTS]; /* offsets in @buf of the nests now open */
	int depth;
	char label[NL_MSG_LABELS][64];
};

void nl_msg_init(struct nl_msg *m);
/* Begin a message; NLM_F_REQUEST|NLM_F_ACK are added. @label is printf-like. */
void nl_begin(struct nl_msg *m, uint16_t type, uint16_t flags, const char *label, ...)
	__attribute__((format(printf, 4, 5)));
/* A header, zeroed: the family's right after nl_begin(), or one inside a nest. Never NULL. */
void *nl_header(struct nl_msg *m, size_t size);
void nl_put(struct nl_msg *m, uint16_t type, const void *data, size_t len);
void nl_put_u8(struct nl_msg *m, uint16_t type, uint8_t v);
void nl_put_u16(struct nl_msg *m, uint16_t type, uint16_t v);
void nl_put_u32(struct nl_msg *m, uint16_t type, uint32_t v);
void nl_put_u64(struct nl_msg *m, uint16_t type, uint64_t v);
void nl_put_str(struct nl_msg *m, uint16_t type, const char *s);
/* Nests: remember what nl_nest() returns and give it to nl_end(). */
struct nlattr *nl_nest(struct nl_msg *m, uint16_t type);
void nl_end(struct nl_msg *m, struct nlattr *nest);

/*
 * Send all messages in @m and wait for every ack. A message whose NLM_F_ACK the
 * caller took away (a netfilter batch's first and last) is answered only when refused.
 */
int nl_do(struct nl *nl, struct nl_msg *m, struct choppy_err *err);

/*
 * Send the one message in @m as a dump (NLM_F_DUMP is added) or, when @m's
 * message has no NLM_F_DUMP wish (@dump false), as a get, and call @each for every
 * answer. A dump that the kernel marks as interrupted is begun again: @restart
 * (may be NULL) is called first so that the caller forgets what it has.
 * @each returns 0, or a negative errno that ends the walk and becomes the result.
 */
int nl_each(struct nl *nl, struct nl_msg *m, bool dump,
	    int (*each)(const struct nlmsghdr *nlh, void *ctx), void (*restart)(void *ctx),
	    void *ctx, struct choppy_err *err);

/* Parse attributes at @attr_offset behind the header into tb[0..max]; unknown ones are skipped. */
int nl_parse(const struct nlmsghdr *nlh, size_t hdr_size, const struct nlattr **tb, uint16_t max);
int nl_parse_nested(const struct nlattr *nest, const struct nlattr **tb, uint16_t max);
int nl_parse_buf(const void *attrs, size_t len, const struct nlattr **tb, uint16_t max);

#endif
