/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dnsmsg.h - reads and makes the few parts of a DNS message that a forwarder must know. */
#ifndef CHOPPY_DNSMSG_H
#define CHOPPY_DNSMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNSMSG_HEADER 12 /* bytes before the question */
#define DNSMSG_MAX 65535 /* longest message, by its length field over TCP */
#define DNSMSG_ERROR_MAX (DNSMSG_HEADER + 255 + 4 + 11) /* header, one question, OPT */

enum dnsmsg_rcode {
	DNSMSG_NOERROR = 0,
	DNSMSG_FORMERR = 1,
	DNSMSG_SERVFAIL = 2,
	DNSMSG_NXDOMAIN = 3,
	DNSMSG_NOTIMP = 4,
	DNSMSG_REFUSED = 5,
};

/* These two and dnsmsg_rcode() want at least DNSMSG_HEADER bytes. */
uint16_t dnsmsg_id(const uint8_t *msg);
void dnsmsg_set_id(uint8_t *msg, uint16_t id);
enum dnsmsg_rcode dnsmsg_rcode(const uint8_t *msg);

/*
 * Whether @msg is a query to forward: a header, not a response, opcode QUERY,
 * one question, no zone transfer. 0: it is. Positive: the rcode to answer with.
 * Negative (-EBADMSG): no query at all, to be left without an answer.
 */
int dnsmsg_query_check(const uint8_t *msg, size_t len);

/* Whether both messages have exactly one question, the same but for the case of its letters. */
bool dnsmsg_same_question(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen);

/*
 * Whether @reply answers @query: a response with the same id, opcode and question.
 * Some servers leave the question out of an error: that counts, an
 * answer or a denial (NXDOMAIN) without its question does not.
 */
bool dnsmsg_answers(const uint8_t *reply, size_t rlen, const uint8_t *query, size_t qlen);

/*
 * Write the answer to @query that says @rcode and nothing else, with the
 * question and an OPT record where the query has them. @ret has room for
 * DNSMSG_ERROR_MAX. Returns its length; 0 when @query has no header.
 */
size_t dnsmsg_error(uint8_t *ret, const uint8_t *query, size_t len, enum dnsmsg_rcode rcode);

#endif
