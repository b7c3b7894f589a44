// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Numbered packets over links, and what came of them.
 *
 *	probe [-n COUNT] [-i INTERVAL_US] [-b BATCH] [-w WINDOW] [-s SIZE] [-t TOS]
 *	      [-q QUIET_MS] FLOW...
 *
 * FLOW is FROM:DEVICE:TO:DEVICE:ADDRESS:FILE, a direction of a link: COUNT UDP datagrams with
 * SIZE bytes of payload go from the network namespace FROM, which sends them by its DEVICE, to
 * ADDRESS, and are taken at TO's DEVICE. A namespace is a name in /run/netns, or empty for the
 * caller's own. All flows run at once: BATCH packets each, and the next no sooner than
 * INTERVAL_US after these were sent, however late they were. With a WINDOW so many packets at
 * most are on their way, counted from the highest number that came, so no buffer overflows;
 * after PATIENCE they are taken for lost. FILE gets "# COUNT INTERVAL_NS SIZE-OF-FRAME", and
 * for each packet, in order of arrival,
 *
 *	NUMBER SENT ARRIVED INTACT CE		times in ns since the probe began
 *
 * It is one process with a socket in each namespace, hence one clock and one end: it is done
 * when everything was sent and nothing has come for QUIET_MS. SENT is taken just before the
 * call, ARRIVED by the kernel when the device takes the frame, so how late the probe itself
 * gets to read matters not.
 *
 * Packets are taken by a packet socket, before anything checks or drops them. To be read with a
 * wrong bit in it, a packet has its number three times, and of each bit the majority counts.
 * INTACT is 1 when the frame has every bit that the sender gave it; the IP header answers for
 * itself by its checksum, and the datagram has none. A packet that finds no room in the packet
 * socket is a failure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT 5555
#define BATCH_MAX 64
#define FLOWS_MAX 128
#define FRAME_MAX 1514
#define HEAD (sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define BUFFER (64 << 20)
#define PATIENCE_NS 20000000

struct stamp {
	uint32_t magic, number;
	uint64_t sent_ns;
};

#define MAGIC 0x70726f62
#define COPIES 3

struct arrival {
	uint32_t number;
	bool intact, ce;
	uint64_t sent_ns, arrived_ns;
};

struct flow {
	const char *path;
	int tx, rx, sink;
	struct sockaddr_in to;
	struct ether_header eth;
	uint64_t next_ns;
	uint32_t sent, seen; /* packets sent; the highest number that came, and one */
	struct arrival *arrivals;
	size_t n, room;
};

static uint32_t count = 1000, batch = 1, window, size = COPIES * sizeof(struct stamp);
static uint64_t interval_ns = 1000000, quiet_ns = 300000000, began_ns;
static int tos, home;
static struct flow flows[FLOWS_MAX];
static size_t nflows;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "probe: ");
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "%s%s\n", code ? ": " : "", code ? strerror(code) : "");
	exit(1);
}

/* The clock of SO_TIMESTAMPNS. Nothing sets it in a kernel of the test's own. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ------------------------------------------------------------------ sockets */

static void enter(const char *netns)
{
	char path[256];
	int fd = home;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	if (*netns)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		die("%s", *netns ? path : "the namespace of the caller");
	if (fd != home)
		close(fd);
}

static int udp_socket(int buffer_option, int buffer)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	const int one = 1;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, buffer_option, &buffer, sizeof(buffer)) < 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)) < 0 ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		die("a UDP socket");
	return fd;
}

static int packet_socket(const char *dev)
{
	struct sockaddr_ll on = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	const int one = 1, buffer = BUFFER;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	on.sll_ifindex = if_nametoindex(dev);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0 ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&on, sizeof(on)) < 0)
		die("a packet socket on %s", dev);
	return fd;
}

static void get_mac(int fd, const char *dev, uint8_t mac[ETH_ALEN])
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
	if (ioctl(fd, SIOCGIFHWADDR, &r) < 0)
		die("%s", dev);
	memcpy(mac, r.ifr_hwaddr.sa_data, ETH_ALEN);
}

static void flow_open(struct flow *f, char *words)
{
	char *word[6];

	for (int i = 0; i < 6; i++) {
		word[i] = i < 5 ? strsep(&words, ":") : words;
		if (!word[i])
			die("a flow is FROM:DEVICE:TO:DEVICE:ADDRESS:FILE");
	}
	f->path = word[5];
	f->to = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT) };
	if (inet_pton(AF_INET, word[4], &f->to.sin_addr) != 1)
		die("no address: %s", word[4]);
	enter(word[0]);
	f->tx = udp_socket(SO_SNDBUFFORCE, BUFFER);
	get_mac(f->tx, word[1], f->eth.ether_shost);
	enter(word[2]);
	f->rx = packet_socket(word[3]);
	/* So that no ICMP error goes back; it is never read, and what it has no room for is gone.
	 */
	f->sink = udp_socket(SO_RCVBUF, 0);
	get_mac(f->rx, word[3], f->eth.ether_dhost);
	f->eth.ether_type = htons(ETHERTYPE_IP);
	enter("");
}

/* --------------------------------------------------------------------- send */

static void fill(uint8_t *payload, uint32_t number)
{
	struct stamp s = { .magic = MAGIC, .number = number, .sent_ns = now_ns() };

	for (int i = 0; i < COPIES; i++)
		memcpy(payload + i * sizeof(s), &s, sizeof(s));
}

static void flow_send(struct flow *f, uint64_t now)
{
	static uint8_t payload[BATCH_MAX][FRAME_MAX];
	struct iovec iov[BATCH_MAX];
	struct mmsghdr m[BATCH_MAX] = { 0 };
	uint32_t n = count - f->sent < batch ? count - f->sent : batch;
	int r;

	for (uint32_t i = 0; i < n; i++) {
		fill(payload[i], f->sent + i);
		iov[i] = (struct iovec){ payload[i], size };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &f->to,
						.msg_namelen = sizeof(f->to),
						.msg_iov = &iov[i],
						.msg_iovlen = 1 };
	}
	r = sendmmsg(f->tx, m, n, 0);
	if (r < 0 && errno != EAGAIN && errno != ENOBUFS)
		die("sending for %s", f->path);
	f->sent += r > 0 ? r : 0;
	f->next_ns = now + interval_ns;
}

/* ------------------------------------------------------------------ receive */

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

static bool intact(const struct flow *f, const uint8_t *frame)
{
	const uint8_t *ip = frame + sizeof(f->eth), *payload = frame + HEAD;
	const struct udphdr udp = { .source = htons(PORT),
				    .dest = htons(PORT),
				    .len = htons(sizeof(udp) + size) };

	if (memcmp(frame, &f->eth, sizeof(f->eth)) != 0 || checksum(ip, sizeof(struct iphdr)) ||
	    memcmp(ip + sizeof(struct iphdr), &udp, sizeof(udp)) != 0 ||
	    memcmp(payload, payload + sizeof(struct stamp), (COPIES - 1) * sizeof(struct stamp)) !=
		    0)
		return false;
	for (size_t i = COPIES * sizeof(struct stamp); i < size; i++)
		if (payload[i])
			return false;
	return true;
}

static void arrived(struct flow *f, const uint8_t *frame, uint64_t at_ns)
{
	const size_t tos_at = sizeof(struct ether_header) + 1;
	struct stamp s;
	uint8_t *p = (uint8_t *)&s;

	for (size_t i = 0; i < sizeof(s); i++) {
		const uint8_t *c = frame + HEAD + i;
		uint8_t a = c[0], b = c[sizeof(s)], d = c[2 * sizeof(s)];

		p[i] = (a & b) | (b & d) | (a & d);
	}
	if (s.magic != MAGIC || s.number >= count)
		return; /* of the same size, not ours */
	if (f->n == f->room) {
		f->room = f->room ? 2 * f->room : 1024;
		f->arrivals = realloc(f->arrivals, f->room * sizeof(*f->arrivals));
		if (!f->arrivals)
			die("no memory");
	}
	f->arrivals[f->n++] = (struct arrival){ .number = s.number,
						.intact = intact(f, frame),
						.ce = (frame[tos_at] & 3) == 3,
						.sent_ns = s.sent_ns,
						.arrived_ns = at_ns };
	if (s.number >= f->seen)
		f->seen = s.number + 1;
}

static uint64_t stamp_of(struct msghdr *m)
{
	struct timespec t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			memcpy(&t, CMSG_DATA(c), sizeof(t));
			return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
		}
	die("a packet without a time");
}

static bool flow_receive(struct flow *f)
{
	static uint8_t frame[BATCH_MAX][FRAME_MAX], control[BATCH_MAX][128];
	struct iovec iov[BATCH_MAX];
	struct mmsghdr m[BATCH_MAX] = { 0 };
	bool any = false;
	int n;

	for (int i = 0; i < BATCH_MAX; i++) {
		iov[i] = (struct iovec){ frame[i], FRAME_MAX };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
						.msg_iovlen = 1,
						.msg_control = control[i],
						.msg_controllen = sizeof(control[i]) };
	}
	n = recvmmsg(f->rx, m, BATCH_MAX, MSG_TRUNC, NULL);
	if (n < 0 && errno != EAGAIN && errno != ENETDOWN)
		die("receiving for %s", f->path);
	for (int i = 0; i < n; i++)
		if (m[i].msg_len == HEAD + size) {
			arrived(f, frame[i], stamp_of(&m[i].msg_hdr));
			any = true;
		}
	return any;
}

/* ----------------------------------------------------------------- the loop */

/* Returns whether a packet of ours came. */
static bool wait_for(uint64_t until_ns)
{
	bool any = false;

	struct pollfd fds[FLOWS_MAX];
	uint64_t now = now_ns(), ns = until_ns > now ? until_ns - now : 0;
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	for (size_t i = 0; i < nflows; i++)
		fds[i] = (struct pollfd){ .fd = flows[i].rx, .events = POLLIN };
	if (ppoll(fds, nflows, &t, NULL) < 0 && errno != EINTR)
		die("ppoll");
	for (size_t i = 0; i < nflows; i++)
		if (fds[i].revents)
			any |= flow_receive(&flows[i]);
	return any;
}

/* Send what is due. Returns when the next is, or UINT64_MAX when all is sent. */
static uint64_t flow_due(struct flow *f)
{
	uint64_t now = now_ns(), due = f->next_ns;

	if (f->sent == count)
		return UINT64_MAX;
	if (window && f->sent >= f->seen + window)
		due += PATIENCE_NS;
	if (now >= due)
		flow_send(f, now);
	return now >= due ? f->next_ns : due;
}

static void run(void)
{
	uint64_t last = now_ns(), next;

	for (size_t i = 0; i < nflows; i++) /* not all flows at the same moment */
		flows[i].next_ns = last + interval_ns * i / nflows;
	do {
		next = UINT64_MAX;
		for (size_t i = 0; i < nflows; i++) {
			uint64_t due = flow_due(&flows[i]);

			next = due < next ? due : next;
		}
		if (next < UINT64_MAX)
			last = now_ns();
		if (wait_for(next < UINT64_MAX ? next : last + quiet_ns))
			last = now_ns();
	} while (next < UINT64_MAX || now_ns() < last + quiet_ns);
}

static void flow_write(struct flow *f)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof(st);
	FILE *file = fopen(f->path, "we");

	if (!file)
		die("%s", f->path);
	errno = 0;
	if (getsockopt(f->rx, SOL_PACKET, PACKET_STATISTICS, &st, &len) < 0 || st.tp_drops)
		die("%s: %u packets found no room", f->path, st.tp_drops);
	fprintf(file, "# %u %llu %zu\n", count, (unsigned long long)interval_ns, HEAD + size);
	for (size_t i = 0; i < f->n; i++) {
		const struct arrival *a = &f->arrivals[i];

		fprintf(file, "%u %lld %lld %d %d\n", a->number, (long long)(a->sent_ns - began_ns),
			(long long)(a->arrived_ns - began_ns), a->intact, a->ce);
	}
	if (fclose(file) != 0)
		die("%s", f->path);
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "n:i:b:w:s:t:q:")) != -1) {
		unsigned long v = optarg ? strtoul(optarg, NULL, 0) : 0;

		switch (c) {
		case 'n':
			count = v;
			break;
		case 'i':
			interval_ns = v * 1000;
			break;
		case 'b':
			batch = v;
			break;
		case 'w':
			window = v;
			break;
		case 's':
			size = v;
			break;
		case 't':
			tos = v;
			break;
		case 'q':
			quiet_ns = v * 1000000;
			break;
		default:
			return 2;
		}
	}
	if (batch < 1 || batch > BATCH_MAX || size < COPIES * sizeof(struct stamp) ||
	    HEAD + size > FRAME_MAX || argc - optind < 1 || argc - optind > FLOWS_MAX)
		die("no such batch, size or number of flows");
	/* Whoever handles packets comes first: nothing depends on when the probe runs. */
	if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 }) < 0)
		die("SCHED_IDLE");
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	for (; optind < argc; nflows++)
		flow_open(&flows[nflows], argv[optind++]);
	began_ns = now_ns();
	run();
	for (size_t i = 0; i < nflows; i++)
		flow_write(&flows[i]);
	return 0;
}
