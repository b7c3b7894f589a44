/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 1035, section 4: a header of six 16-bit words (id, flags, four counts), then the
 * question (name, type, class), then records. A name is a row of labels, each
 * a length byte and as many bytes, ended by an empty label; 255 bytes at most. A length
 * with the two top bits set points to an earlier place instead; before the
 * first name there is no earlier place, so a question has no pointers.
 * EDNS (RFC 6891) is a record of type OPT with an empty name among the
 * additional ones; who sees it in a query must put one in the answer.
 */
#include "dnsmsg.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_BYTES 255
#define LABEL_MAX_BYTES 63
#define POINTER_BITS 0xc0

#define TYPE_OPT 41
#define TYPE_IXFR 251
#define TYPE_AXFR 252

#define OPT_BYTES 11
#define OPT_UDP_BYTES 1232 /* what both ends can count on without fragments (RFC 9715) */

/* In the third byte of the header: response, opcode, recursion desired. */
#define QR 0x80
#define OPCODE 0x78
#define RD 0x01
/* In the fourth: recursion available, checking disabled, rcode. */
#define RA 0x80
#define CD 0x10
#define RCODE 0x0f

enum count { QUESTIONS, ANSWERS, AUTHORITIES, ADDITIONALS };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint16_t count(const uint8_t *msg, enum count which)
{
	return get16(msg + 4 + 2 * which);
}

uint16_t dnsmsg_id(const uint8_t *msg)
{
	return get16(msg);
}

void dnsmsg_set_id(uint8_t *msg, uint16_t id)
{
	put16(msg, id);
}

enum dnsmsg_rcode dnsmsg_rcode(const uint8_t *msg)
{
	return msg[3] & RCODE;
}

/* The place after the name at @at, which may end in a pointer; 0 when it is not a name. */
static size_t skip_name(const uint8_t *msg, size_t len, size_t at, bool pointers)
{
	size_t start = at;

	while (at < len && at - start < NAME_MAX_BYTES) {
		uint8_t n = msg[at];

		if (n == 0)
			return at + 1;
		if (pointers && (n & POINTER_BITS) == POINTER_BITS)
			return len - at >= 2 ? at + 2 : 0;
		if (n > LABEL_MAX_BYTES)
			return 0;
		at += 1 + n;
	}
	return 0;
}

/* The place after the only question; 0 when there is none, more than one, or a broken one. */
static size_t question_end(const uint8_t *msg, size_t len)
{
	size_t at;

	if (len < DNSMSG_HEADER || count(msg, QUESTIONS) != 1)
		return 0;
	at = skip_name(msg, len, DNSMSG_HEADER, false);
	return at && len - at >= 4 ? at + 4 : 0;
}

int dnsmsg_query_check(const uint8_t *msg, size_t len)
{
	size_t end;
	uint16_t type;

	if (len < DNSMSG_HEADER || len > DNSMSG_MAX || (msg[2] & QR))
		return -EBADMSG;
	if (msg[2] & OPCODE)
		return DNSMSG_NOTIMP;
	end = question_end(msg, len);
	if (!end)
		return DNSMSG_FORMERR;
	/* A transfer is many messages; a forwarder of one would cut it without a word. */
	type = get16(msg + end - 4);
	return type == TYPE_AXFR || type == TYPE_IXFR ? DNSMSG_NOTIMP : 0;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

bool dnsmsg_same_question(const uint8_t *a, size_t alen, const uint8_t *b, size_t blen)
{
	size_t end = question_end(a, alen), i;

	if (!end || question_end(b, blen) != end || memcmp(a + end - 4, b + end - 4, 4))
		return false;
	/* Length bytes are below 'A', so folding the case of all bytes leaves them alone. */
	for (i = DNSMSG_HEADER; i < end - 4; i++) {
		if (lower(a[i]) != lower(b[i]))
			return false;
	}
	return true;
}

bool dnsmsg_answers(const uint8_t *reply, size_t rlen, const uint8_t *query, size_t qlen)
{
	enum dnsmsg_rcode rcode;

	if (rlen < DNSMSG_HEADER || qlen < DNSMSG_HEADER || !(reply[2] & QR))
		return false;
	if (get16(reply) != get16(query) || (reply[2] & OPCODE) != (query[2] & OPCODE))
		return false;
	rcode = dnsmsg_rcode(reply);
	if (count(reply, QUESTIONS) == 0)
		return rcode != DNSMSG_NOERROR && rcode != DNSMSG_NXDOMAIN;
	return dnsmsg_same_question(reply, rlen, query, qlen);
}

static bool has_opt(const uint8_t *msg, size_t len, size_t at)
{
	unsigned before = count(msg, ANSWERS) + count(msg, AUTHORITIES), i;

	for (i = 0; i < before + count(msg, ADDITIONALS); i++) {
		size_t name = at;

		at = skip_name(msg, len, at, true);
		if (!at || len - at < 10)
			return false;
		if (i >= before && msg[name] == 0 && get16(msg + at) == TYPE_OPT)
			return true;
		at += 10;
		if (len - at < get16(msg + at - 2))
			return false;
		at += get16(msg + at - 2);
	}
	return false;
}

size_t dnsmsg_error(uint8_t *ret, const uint8_t *query, size_t len, enum dnsmsg_rcode rcode)
{
	size_t end = question_end(query, len), at;

	if (len < DNSMSG_HEADER)
		return 0;
	at = end ? end : DNSMSG_HEADER;
	memcpy(ret, query, at);
	ret[2] = (uint8_t)(QR | (query[2] & (OPCODE | RD)));
	ret[3] = (uint8_t)(RA | (query[3] & CD) | rcode);
	memset(ret + 4, 0, DNSMSG_HEADER - 4);
	put16(ret + 4, end ? 1 : 0);
	if (end && has_opt(query, len, end)) {
		put16(ret + 10, 1);
		memset(ret + at, 0, OPT_BYTES);
		put16(ret + at + 1, TYPE_OPT);
		put16(ret + at + 3, OPT_UDP_BYTES);
		at += OPT_BYTES;
	}
	return at;
}
