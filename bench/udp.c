/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * udp: datagrams from one end of a link to the other, and what became of them.
 *
 *	udp send ADDRESS SECONDS SIZE PPS SEGMENTS
 *		Datagrams of SIZE bytes, PPS a second in even steps (0: as many as possible), in
 *		super-packets of SEGMENTS. Prints how many the kernel took.
 *	udp receive DELAY_NS SECONDS
 *		Until SILENCE_NS without any. Prints: all that came; how many a second, counted over
 *		SECONDS after the first SKIP_NS; how many the socket lost; and, of the time from
 *		the sender's call to the arrival, less DELAY_NS, in ns: the least, the
 *		median, the 99th percentile, the most; median and 99th percentile of its amount.
 *	udp seconds RATE_BPS HEADERS
 *		The same datagrams, all of one size, also in super-packets, behind a full link of
 *		RATE_BPS. A line for each whole second after the first SKIP_NS: bytes on
 *		the wire, with HEADERS in each; how late datagrams were beside
 *		a link of exactly that rate, the 99th percentile in ns; how many the
 *		socket lost.
 *	udp echo
 *		Send everything back, until killed.
 *	udp ping ADDRESS COUNT PPS
 *		One after the other. Prints the round trip of those that came back, in ns: median
 *		and 99th percentile.
 *
 * A sender stamps with the wall clock before its call; arrival is the receiving kernel's stamp.
 * Both ends are on one machine. Fast senders spin between two datagrams, slow ones sleep.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#define PORT 4000
#define NS_PER_S 1000000000ll
#define SILENCE_NS (NS_PER_S * 7 / 10)
#define SKIP_NS (NS_PER_S / 10)
#define START_NS (NS_PER_S * 20)
#define BATCH 64
#define ARRIVALS_MAX (1u << 23)
#define MESSAGE_MAX 65507
#define SPIN_PPS 5000 /* from here on */

struct stamp {
	uint64_t number;
	int64_t at_ns;
};

struct arrival {
	int64_t at_ns, sent_ns;
	uint32_t packets, bytes;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "udp: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void wait_for(int64_t due_ns, bool spin)
{
	struct timespec ts = { .tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S };

	if (!spin)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	while (clock_ns(CLOCK_MONOTONIC) < due_ns)
		;
}

static void set(int fd, int level, int option, const void *value, socklen_t size)
{
	if (setsockopt(fd, level, option, value, size) < 0)
		die("setsockopt");
}

static int open_udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul);
	return fd;
}

static int open_bound(void)
{
	static const struct {
		int level, option, value;
	} options[] = {
		{ SOL_SOCKET, SO_RCVBUFFORCE, 256 << 20 },
		{ SOL_SOCKET, SO_TIMESTAMPNS, 1 },
		{ SOL_SOCKET, SO_RXQ_OVFL, 1 },
		{ IPPROTO_UDP, UDP_GRO, 1 },
	};
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timeval wait = { .tv_usec = 50000 };
	int fd = open_udp();

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		set(fd, options[i].level, options[i].option, &options[i].value, sizeof(int));
	set(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("bind");
	return fd;
}

static int open_connected(const char *address)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = open_udp();

	if (inet_pton(AF_INET, address, &a.sin_addr) != 1)
		die(address);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect");
	return fd;
}

/* ------------------------------------------------------------------ sending */

static unsigned char payload[BATCH][MESSAGE_MAX];

/* Stamp and send @n messages of @size bytes; all must be taken. */
static void send_batch(int fd, struct mmsghdr *msg, unsigned n, uint64_t *number)
{
	for (unsigned done = 0; done < n;) {
		int r;

		for (unsigned i = done; i < n; i++) {
			struct stamp s = { *number + i - done, clock_ns(CLOCK_REALTIME) };

			memcpy(msg[i].msg_hdr.msg_iov->iov_base, &s, sizeof(s));
		}
		r = sendmmsg(fd, msg + done, n - done, 0);
		if (r < 0 && errno != ENOBUFS && errno != EINTR)
			die("send");
		if (r > 0) {
			done += (unsigned)r;
			*number += (unsigned)r;
		}
	}
}

static int do_send(char **arg)
{
	int64_t seconds_ns = (int64_t)(atof(arg[1]) * NS_PER_S);
	int size = atoi(arg[2]), segments = atoi(arg[4]);
	double step_ns = atof(arg[3]) ? NS_PER_S * segments / atof(arg[3]) : 0;
	unsigned n = step_ns > 0 ? 1 : BATCH;
	struct mmsghdr msg[BATCH] = { 0 };
	struct iovec iov[BATCH];
	int fd = open_connected(arg[0]);
	int64_t begin_ns = clock_ns(CLOCK_MONOTONIC), now_ns;
	uint64_t number = 0;

	if (size < (int)sizeof(struct stamp) || size * segments > MESSAGE_MAX)
		die(arg[2]);
	if (segments > 1)
		set(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ payload[i], (size_t)(size * segments) };
		msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	do {
		if (step_ns > 0)
			wait_for(begin_ns + (int64_t)((double)number * step_ns),
				 step_ns < (double)NS_PER_S / SPIN_PPS);
		send_batch(fd, msg, n, &number);
		now_ns = clock_ns(CLOCK_MONOTONIC);
	} while (now_ns - begin_ns < seconds_ns);
	printf("%llu\n", (unsigned long long)number * (unsigned)segments);
	return 0;
}

/* ---------------------------------------------------------------- receiving */

static struct arrival arrivals[ARRIVALS_MAX];
static size_t narrivals;
static uint32_t lost; /* by the socket */

static void take(struct mmsghdr *m)
{
	struct arrival *a = &arrivals[narrivals];
	struct stamp s;
	int segment = 0;

	if (narrivals == ARRIVALS_MAX)
		die("more than is kept");
	memcpy(&s, m->msg_hdr.msg_iov->iov_base, sizeof(s));
	*a = (struct arrival){ .sent_ns = s.at_ns, .packets = 1, .bytes = m->msg_len };
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr); c; c = CMSG_NXTHDR(&m->msg_hdr, c)) {
		struct timespec ts;

		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			a->at_ns = ts.tv_sec * NS_PER_S + ts.tv_nsec;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			memcpy(&lost, CMSG_DATA(c), sizeof(lost));
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			a->packets = (m->msg_len + (unsigned)segment - 1) / (unsigned)segment;
		}
	}
	narrivals++;
}

/* Only the stamp of each is copied: what is measured is the way here. */
static void receive_all(void)
{
	static unsigned char control[BATCH][128];
	struct mmsghdr msg[BATCH] = { 0 };
	struct stamp stamp[BATCH];
	struct iovec iov[BATCH];
	int fd = open_bound();
	int64_t last_ns = clock_ns(CLOCK_MONOTONIC);

	for (;;) {
		int n;

		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ &stamp[i], sizeof(stamp[i]) };
			msg[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
							  .msg_iovlen = 1,
							  .msg_control = control[i],
							  .msg_controllen = sizeof(control[i]) };
		}
		n = recvmmsg(fd, msg, BATCH, MSG_WAITFORONE | MSG_TRUNC, NULL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			die("receive");
		for (int i = 0; i < n; i++)
			take(&msg[i]);
		if (n > 0)
			last_ns = clock_ns(CLOCK_MONOTONIC);
		else if (clock_ns(CLOCK_MONOTONIC) - last_ns > (narrivals ? SILENCE_NS : START_NS))
			break;
	}
	if (!narrivals) {
		errno = ETIMEDOUT;
		die("nothing came");
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static long long quantile(const int64_t *sorted, size_t n, double q)
{
	return sorted[(size_t)(q * (double)(n - 1) + 0.5)];
}

static void print_quantiles(int64_t *ns, size_t n, const char *which)
{
	static const double q[] = { ['l'] = 0, ['5'] = 0.5, ['9'] = 0.99, ['m'] = 1 };

	qsort(ns, n, sizeof(*ns), compare);
	for (; *which; which++)
		printf(" %lld", quantile(ns, n, q[(unsigned char)*which]));
}

static int do_receive(char **arg)
{
	int64_t delay_ns = atoll(arg[0]), from_ns, to_ns;
	double seconds = atof(arg[1]);
	unsigned long long all = 0, within = 0;
	int64_t *error;
	size_t n = 0;

	receive_all();
	error = calloc(narrivals, sizeof(*error));
	if (!error)
		die("memory");
	from_ns = arrivals[0].at_ns + SKIP_NS;
	to_ns = from_ns + (int64_t)(seconds * NS_PER_S);
	for (size_t i = 0; i < narrivals; i++) {
		const struct arrival *a = &arrivals[i];

		/* The stamp is in the first of a super-packet, which may have been lost. */
		if (a->sent_ns)
			error[n++] = a->at_ns - a->sent_ns - delay_ns;
		all += a->packets;
		if (a->at_ns >= from_ns && a->at_ns < to_ns)
			within += a->packets;
	}
	if (!n)
		die("not one stamp");
	printf("%llu %.0f %u", all, (double)within / seconds, lost);
	print_quantiles(error, n, "l59m");
	for (size_t i = 0; i < n; i++)
		error[i] = error[i] < 0 ? -error[i] : error[i];
	print_quantiles(error, n, "59");
	printf("\n");
	free(error);
	return 0;
}

/* When each packet came: those of a super-packet all at once. */
static int64_t *packet_times(size_t *ret_n)
{
	int64_t *at = calloc(narrivals * BATCH, sizeof(*at));
	size_t n = 0;

	if (!at)
		die("memory");
	for (size_t i = 0; i < narrivals; i++) {
		const struct arrival *a = &arrivals[i];

		if (a->packets > BATCH ||
		    a->bytes * arrivals[0].packets != arrivals[0].bytes * a->packets)
			die("not of one size");
		for (uint32_t k = 0; k < a->packets; k++)
			at[n++] = a->at_ns;
	}
	*ret_n = n;
	return at;
}

/* How late each was beside a full link; the least late is taken to have come in time. */
static int64_t *lateness(const int64_t *at, size_t n, double step_ns)
{
	int64_t *late = calloc(n, sizeof(*late)), least = INT64_MAX;

	if (!late)
		die("memory");
	for (size_t i = 0; i < n; i++) {
		late[i] = at[i] - at[0] - (int64_t)((double)i * step_ns);
		least = late[i] < least ? late[i] : least;
	}
	for (size_t i = 0; i < n; i++)
		late[i] -= least;
	return late;
}

static size_t count_before(const int64_t *at, size_t n, int64_t end_ns)
{
	size_t i = 0;

	while (i < n && at[i] < end_ns)
		i++;
	return i;
}

static int do_seconds(char **arg)
{
	int64_t *at, *late, end_ns;
	size_t from, n, all;
	uint32_t wire;

	receive_all();
	at = packet_times(&all);
	wire = arrivals[0].bytes / arrivals[0].packets + (uint32_t)atoi(arg[1]);
	late = lateness(at, all, wire * 8.0 * NS_PER_S / atof(arg[0]));
	end_ns = at[0] + SKIP_NS;
	from = count_before(at, all, end_ns);
	for (end_ns += NS_PER_S; end_ns <= at[all - 1]; end_ns += NS_PER_S) {
		n = count_before(at + from, all - from, end_ns);
		if (!n)
			die("a second without any");
		qsort(late + from, n, sizeof(*late), compare);
		printf("%llu %lld %u\n", (unsigned long long)n * wire,
		       quantile(late + from, n, 0.99), lost);
		from += n;
	}
	free(late);
	free(at);
	return 0;
}

/* --------------------------------------------------------------- round trips */

static _Noreturn void echo(void)
{
	static unsigned char buf[MESSAGE_MAX];
	int fd = open_bound();

	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

static int do_echo(char **arg)
{
	echo();
}

static int do_ping(char **arg)
{
	int count = atoi(arg[1]);
	int64_t step_ns = NS_PER_S / atoll(arg[2]);
	int64_t *trip = calloc((size_t)count, sizeof(*trip));
	struct timeval wait = { .tv_sec = 1 };
	int fd = open_connected(arg[0]);
	size_t n = 0;
	ssize_t size;
	int64_t begin_ns = clock_ns(CLOCK_MONOTONIC);

	if (!trip)
		die("memory");
	set(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	for (int i = 0; i < count; i++) {
		struct stamp s = { .number = (uint64_t)i }, got;

		wait_for(begin_ns + i * step_ns, false);
		s.at_ns = clock_ns(CLOCK_MONOTONIC);
		if (send(fd, &s, sizeof(s), 0) < 0)
			die("send");
		do
			size = recv(fd, &got, sizeof(got), 0);
		while (size == sizeof(got) && got.number != s.number);
		if (size == sizeof(got))
			trip[n++] = clock_ns(CLOCK_MONOTONIC) - s.at_ns;
		else if (errno != EAGAIN)
			die("no echo");
	}
	if (!n)
		die("no echo at all");
	qsort(trip, n, sizeof(*trip), compare);
	printf("%lld %lld\n", quantile(trip, n, 0.5), quantile(trip, n, 0.99));
	free(trip);
	return 0;
}

static const struct {
	const char *name;
	int nargs;
	int (*run)(char **arg);
} commands[] = {
	{ "send", 5, do_send }, { "receive", 2, do_receive }, { "seconds", 2, do_seconds },
	{ "echo", 0, do_echo }, { "ping", 3, do_ping },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc == commands[i].nargs + 2 && !strcmp(argv[1], commands[i].name))
			return commands[i].run(argv + 2);
	errno = EINVAL;
	die("arguments");
}
