/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file is read as glibc's resolver reads it: a server is a line that begins with
 * `nameserver` and a blank, then an IPv4 address in any form that inet_aton(3)
 * knows or an IPv6 address with an optional %scope; the first three count;
 * without any it is 127.0.0.1. `search` and `options` are the client's business.
 */
#include "resolv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "util.h"

#define DNS_PORT 53
#define LINE_BYTES 256 /* a longer line names no server */
#define FILE_BYTES                                                                                 \
	(1 << 20) /* of a file that long the rest would take time that others wait for             \
		   */

/* File systems stamp changes by a coarse clock: a second one within a tick looks like none. */
#define SETTLE_NS 100000000

/* An interface by number or, without help of the C library (which opens files for it), by name. */
static uint32_t scope_id(const char *scope)
{
	struct ifreq req = { 0 };
	CLEANUP_FD fd = -1;
	char *end;
	unsigned long n = strtoul(scope, &end, 10);

	if (*scope >= '0' && *scope <= '9' && !*end)
		return n <= UINT32_MAX ? (uint32_t)n : 0;
	if (!*scope || strlen(scope) >= sizeof(req.ifr_name))
		return 0;
	strcpy(req.ifr_name, scope);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &req) < 0)
		return 0;
	return (uint32_t)req.ifr_ifindex;
}

static bool parse_address(struct resolv_server *ret, char *text)
{
	char *scope = strchr(text, '%');

	*ret = (struct resolv_server){ 0 };
	if (inet_aton(text, &ret->in4.sin_addr)) {
		ret->in4.sin_family = AF_INET;
		ret->in4.sin_port = htons(DNS_PORT);
		ret->len = sizeof(ret->in4);
		return true;
	}
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, text, &ret->in6.sin6_addr) != 1)
		return false;
	ret->in6.sin6_family = AF_INET6;
	ret->in6.sin6_port = htons(DNS_PORT);
	ret->in6.sin6_scope_id = scope ? scope_id(scope) : 0;
	ret->len = sizeof(ret->in6);
	return !scope || ret->in6.sin6_scope_id;
}

bool resolv_parse_line(struct resolv_server *ret, const char *line)
{
	static const char word[] = "nameserver";
	struct resolv_server server;
	char text[INET6_ADDRSTRLEN + 1 + IF_NAMESIZE];
	size_t n;

	if (strncmp(line, word, sizeof(word) - 1) != 0)
		return false;
	line += sizeof(word) - 1;
	n = strspn(line, " \t");
	if (!n)
		return false;
	line += n;
	n = strcspn(line, " \t\r;#");
	if (!n || n >= sizeof(text))
		return false;
	memcpy(text, line, n);
	text[n] = '\0';
	if (!parse_address(&server, text))
		return false;
	*ret = server;
	return true;
}

struct lines {
	struct resolv_list *list;
	char line[LINE_BYTES];
	size_t len; /* may run past the buffer: then the line is too long */
};

static void line_end(struct lines *l)
{
	if (l->len < sizeof(l->line) && l->list->n < RESOLV_MAX) {
		l->line[l->len] = '\0';
		l->list->n += resolv_parse_line(&l->list->server[l->list->n], l->line);
	}
	l->len = 0;
}

static void read_lines(struct resolv_list *list, int fd)
{
	struct lines l = { .list = list };
	char chunk[4096];
	size_t total = 0;
	ssize_t n, i;

	while (total < FILE_BYTES && (n = read(fd, chunk, sizeof(chunk))) > 0) {
		for (i = 0; i < n; i++) {
			if (chunk[i] == '\n')
				line_end(&l);
			else if (l.len++ < sizeof(l.line))
				l.line[l.len - 1] = chunk[i];
		}
		total += (size_t)n;
	}
	line_end(&l);
}

/* Whether @st, seen by a read that starts now, stands for what the read will find. */
static bool is_settled(const struct stat *st)
{
	struct timespec now;
	int64_t age_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec - st->st_mtim.tv_sec > 1)
		return true;
	age_ns = (now.tv_sec - st->st_mtim.tv_sec) * INT64_C(1000000000) + now.tv_nsec -
		 st->st_mtim.tv_nsec;
	return age_ns > SETTLE_NS;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void resolv_init(struct resolv *resolv, const char *path)
{
	*resolv = (struct resolv){ .path = path };
	resolv_refresh(resolv);
}

void resolv_refresh(struct resolv *r)
{
	CLEANUP_FD fd = -1;
	struct stat st;

	if (r->settled && stat(r->path, &st) == 0 && same_file(&st, &r->seen))
		return;
	r->settled = false;
	/* Not blocking and regular only: a pipe of that name must not stop the service. */
	fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	/* A lack of descriptors says nothing about the file: what it said before still holds. */
	if (fd < 0 && r->list.n && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		return;
	r->list.n = 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		r->seen = st;
		r->settled = is_settled(&st);
		read_lines(&r->list, fd);
	}
	if (!r->list.n) {
		static const char fallback[] = "nameserver 127.0.0.1";

		r->list.n = resolv_parse_line(&r->list.server[0], fallback);
	}
}
