/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 *	expected = "node" NODE ( "exits" STATUS | "runs" | "says" TEXT )
 *	         | "tcp" HOST ":" PORT answer "from" NODE
 *	         | "ping" HOST answer "from" NODE
 *	         | "run" NODE COMMAND ( "exits" STATUS | "prints" TEXT )
 *	answer   = "answers" | "does" "not" "answer"
 *
 * and behind each may stand "within" TIME. HOST is a node, or an address or name that the node
 * finds; before a port an IPv6 address stands in brackets.
 */
#include "probe.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"
#include "util.h"
#include "value.h"

#define CONNECT_MS 2000 /* somebody who does not answer for so long does not */
#define LISTEN_STATE_TCP "0A" /* TCP_LISTEN, and for UDP TCP_CLOSE: include/net/tcp_states.h */
#define LISTEN_STATE_UDP "07"

void probe_free(struct probe *p)
{
	free(p->text);
	free(p->prints);
	*p = (struct probe){ 0 };
}

/* ----------------------------------------------------------------- parsing */

struct parser {
	struct probe *p;
	const struct topology *t;
	const char **v;
	int n, at;
	struct choppy_err *err;
};

static bool take(struct parser *q, const char *word)
{
	bool is = q->at < q->n && strcmp(q->v[q->at], word) == 0;

	q->at += is;
	return is;
}

static int take_text(struct parser *q, const char *what, char **ret)
{
	if (q->at == q->n)
		return err_set(q->err, -EINVAL, "%s is missing at the end", what);
	*ret = strdup(q->v[q->at++]);
	return *ret ? 0 : err_sys(q->err, -ENOMEM, "read what is expected");
}

static int find_node(struct parser *q, const char *name, uint32_t *ret)
{
	int r = topology_find_node(q->t, name, ret, q->err);

	if (r == 0 && q->t->nodes[*ret].kind == NODE_SWITCH)
		r = err_set(q->err, -EINVAL, "%s is a switch: nothing runs on it", name);
	return r;
}

static int take_node(struct parser *q)
{
	if (q->at == q->n)
		return err_set(q->err, -EINVAL, "the name of a node is missing at the end");
	return find_node(q, q->v[q->at++], &q->p->node);
}

/* Digits and nothing else, from @least to @most. */
static int read_number(struct parser *q, const char *text, const char *what, unsigned long least,
		       unsigned long most, unsigned long *ret)
{
	bool digits = *text && !text[strspn(text, "0123456789")];
	char shown[WORD_BYTES];

	*ret = digits ? strtoul(text, NULL, 10) : 0;
	if (digits && *ret >= least && *ret <= most)
		return 0;
	word_shown(shown, text);
	return err_set(q->err, -EINVAL, "'%s' is not %s: a number from %lu to %lu", shown, what,
		       least, most);
}

static int take_status(struct parser *q)
{
	unsigned long n;
	int r;

	if (q->at == q->n)
		return err_set(q->err, -EINVAL, "an exit status is missing at the end");
	r = read_number(q, q->v[q->at++], "an exit status", 0, 255, &n);
	q->p->status = (int)n;
	return r;
}

static int unknown(struct parser *q, const char *what)
{
	char shown[WORD_BYTES];

	word_shown(shown, q->at < q->n ? q->v[q->at] : "nothing");
	return err_set(q->err, -EINVAL, "%s, not '%s'", what, shown);
}

static int parse_node(struct parser *q)
{
	int r = take_node(q);

	if (r < 0)
		return r;
	if (take(q, "exits")) {
		q->p->kind = PROBE_EXITED;
		return take_status(q);
	}
	if (take(q, "says")) {
		q->p->kind = PROBE_SAYS;
		return take_text(q, "a text", &q->p->text);
	}
	q->p->kind = PROBE_RUNS;
	return take(q, "runs") ? 0 : unknown(q, "a node exits STATUS, runs, or says TEXT");
}

static int parse_answer(struct parser *q)
{
	q->p->negated = take(q, "does");
	if (q->p->negated ? !take(q, "not") || !take(q, "answer") : !take(q, "answers"))
		return unknown(q, "it answers, or does not answer");
	if (!take(q, "from"))
		return unknown(q, "from which node? answers from NODE");
	return take_node(q);
}

/* A name that is no address and nobody's in a domain is a node's. */
static int check_host(struct parser *q)
{
	uint32_t node;

	return strpbrk(q->p->text, ".:") ? 0 : find_node(q, q->p->text, &node);
}

static int port_of(struct parser *q, const char *text)
{
	unsigned long n;
	int r = read_number(q, text, "a port", 1, 65535, &n);

	q->p->port = (uint16_t)n;
	return r;
}

/* Of [HOST] take the brackets away. */
static int open_brackets(struct parser *q)
{
	char *host = q->p->text;
	size_t n = strlen(host);
	bool brackets = n > 1 && host[0] == '[' && host[n - 1] == ']';

	if (brackets) {
		memmove(host, host + 1, n - 2);
		host[n - 2] = '\0';
	} else if (strpbrk(host, ":[]")) {
		return err_set(q->err, -EINVAL,
			       "an IPv6 address stands in brackets here: [fd00::1]:80");
	}
	return 0;
}

static int parse_tcp(struct parser *q)
{
	char *colon, shown[WORD_BYTES];
	int r;

	q->p->kind = PROBE_TCP;
	r = take_text(q, "HOST:PORT", &q->p->text);
	if (r < 0)
		return r;
	colon = strrchr(q->p->text, ':');
	word_shown(shown, q->p->text);
	if (!colon)
		return err_set(q->err, -EINVAL, "a port is missing: %s:80", shown);
	*colon = '\0';
	r = open_brackets(q);
	if (r == 0)
		r = port_of(q, colon + 1);
	if (r == 0)
		r = check_host(q);
	return r < 0 ? r : parse_answer(q);
}

static int parse_ping(struct parser *q)
{
	int r;

	q->p->kind = PROBE_PING;
	r = take_text(q, "a node", &q->p->text);
	if (r == 0)
		r = check_host(q);
	return r < 0 ? r : parse_answer(q);
}

static int parse_run(struct parser *q)
{
	int r;

	q->p->kind = PROBE_COMMAND;
	r = take_node(q);
	if (r == 0)
		r = take_text(q, "a command", &q->p->text);
	if (r < 0)
		return r;
	if (take(q, "exits"))
		return take_status(q);
	if (!take(q, "prints"))
		return unknown(q, "the command exits STATUS, or prints TEXT");
	return take_text(q, "a text", &q->p->prints);
}

static const struct {
	const char *word;
	int (*parse)(struct parser *q);
} forms[] = {
	{ "node", parse_node },
	{ "tcp", parse_tcp },
	{ "ping", parse_ping },
	{ "run", parse_run },
};

static int too_many(struct parser *q)
{
	char shown[WORD_BYTES];

	word_shown(shown, q->v[q->at]);
	return err_set(q->err, -EINVAL, "'%s' does not belong here", shown);
}

static int parse(struct parser *q, char **ret_within)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(forms); i++) {
		if (!take(q, forms[i].word))
			continue;
		r = forms[i].parse(q);
		if (r < 0)
			return r;
		if (take(q, "within"))
			r = take_text(q, "a time", ret_within);
		return r == 0 && q->at < q->n ? too_many(q) : r;
	}
	return unknown(q, "what is expected begins with node, tcp, ping or run");
}

int probe_parse(struct probe *ret, const struct topology *t, const char *text, char **ret_within,
		struct choppy_err *err)
{
	CLEANUP_FREE char *buf = malloc(strlen(text) + 1);
	CLEANUP_FREE const char **v = malloc((strlen(text) / 2 + 1) * sizeof(*v));
	struct probe p = { 0 };
	struct parser q = { .p = &p, .t = t, .v = v, .err = err };
	char *within = NULL;
	int r;

	if (!buf || !v)
		return err_sys(err, -ENOMEM, "read what is expected");
	q.n = choppy_words_split(buf, v, text);
	r = q.n < 0 ? err_set(err, -EINVAL, "a quote is not closed") : parse(&q, &within);
	if (r < 0) {
		probe_free(&p);
		free(within);
		return r;
	}
	*ret = p;
	*ret_within = within;
	return 0;
}

static const struct {
	const char *word;
	enum probe_kind kind;
	const char *print;
} readies[] = {
	{ "tcp", PROBE_LISTENS_TCP, "tcp port" },
	{ "udp", PROBE_LISTENS_UDP, "udp port" },
	{ "file", PROBE_FILE, "file" },
	{ "command", PROBE_COMMAND, "command" },
};

int probe_parse_ready(struct probe *ret, uint32_t node, const char *text, struct choppy_err *err)
{
	struct probe p = { .node = node, .kind = PROBE_LISTENS_TCP };
	struct parser q = { .p = &p, .err = err };
	size_t len = strcspn(text, " ");
	const char *rest = text;
	char shown[WORD_BYTES];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(readies); i++) {
		if (strlen(readies[i].word) != len || strncmp(readies[i].word, text, len) != 0)
			continue;
		p.kind = readies[i].kind;
		rest = text + len + strspn(text + len, " ");
	}
	word_shown(shown, text);
	if (rest == text && strspn(text, "0123456789") != strlen(text))
		return err_set(err, -EINVAL,
			       "'%s' says not when it is ready: a port, tcp PORT, udp PORT, file "
			       "PATH, or command COMMAND",
			       shown);
	if (p.kind == PROBE_LISTENS_TCP || p.kind == PROBE_LISTENS_UDP) {
		r = port_of(&q, rest);
		if (r == 0)
			*ret = p;
		return r;
	}
	if (!*rest)
		return err_set(err, -EINVAL, "%s is missing behind '%.*s'",
			       p.kind == PROBE_FILE ? "a path" : "a command", (int)len, text);
	p.text = strdup(rest);
	if (!p.text)
		return err_sys(err, -ENOMEM, "read when it is ready");
	*ret = p;
	return 0;
}

void probe_print_ready(const struct probe *p, char *buf, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(readies); i++) {
		if (readies[i].kind != p->kind)
			continue;
		if (p->port)
			snprintf(buf, size, "%s %u", readies[i].print, p->port);
		else
			snprintf(buf, size, "%s %s", readies[i].print, p->text);
	}
}

bool probe_needs_process(const struct probe *p)
{
	return p->kind >= PROBE_TCP;
}

/* ------------------------------------------------------------------ asking */

/* 0, or a negative errno. */
static int try_connect(const struct addrinfo *a)
{
	CLEANUP_FD fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&p, 1, CONNECT_MS) <= 0)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	return -error;
}

static int ask_tcp(const struct probe *p, int out)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char port[8];
	int r;

	snprintf(port, sizeof(port), "%u", p->port);
	r = getaddrinfo(p->text, port, &hints, &list);
	if (r) {
		dprintf(out, "%s: %s", p->text, gai_strerror(r));
		return 1; /* neither an answer nor silence */
	}
	r = -EADDRNOTAVAIL;
	for (const struct addrinfo *a = list; a && r < 0; a = a->ai_next)
		r = try_connect(a);
	freeaddrinfo(list);
	if (r < 0)
		dprintf(out, "%s:%u: %s", p->text, p->port, strerror(-r));
	else if (p->negated)
		dprintf(out, "%s:%u answers", p->text, p->port);
	return (r == 0) == !p->negated ? 0 : 1;
}

/* Whether a socket of the state and port is in the kernel's list @path. */
static bool listed(const char *path, uint16_t port, const char *state)
{
	FILE *f = fopen(path, "re");
	char line[512], address[64], st[8];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *colon;

		if (sscanf(line, " %*d: %63s %*s %7s", address, st) != 2)
			continue;
		colon = strrchr(address, ':');
		found = colon && strtoul(colon + 1, NULL, 16) == port && strcmp(st, state) == 0;
	}
	if (f)
		fclose(f);
	return found;
}

static int ask_listens(const struct probe *p, int out)
{
	bool tcp = p->kind == PROBE_LISTENS_TCP;
	const char *state = tcp ? LISTEN_STATE_TCP : LISTEN_STATE_UDP;

	return listed(tcp ? "/proc/net/tcp" : "/proc/net/udp", p->port, state) ||
			       listed(tcp ? "/proc/net/tcp6" : "/proc/net/udp6", p->port, state)
		       ? 0
		       : 1;
}

static int ask_file(const struct probe *p, int out)
{
	return access(p->text, F_OK) == 0 ? 0 : 1;
}

int probe_ask(const struct probe *p, int out)
{
	switch (p->kind) {
	case PROBE_TCP:
		return ask_tcp(p, out);
	case PROBE_LISTENS_TCP:
	case PROBE_LISTENS_UDP:
		return ask_listens(p, out);
	default:
		return ask_file(p, out);
	}
}
