/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * words LAB: give each netem line of tc(8) on stdin to the lab's link (what the node
 * receives), as `choppy set LAB down --from-tc LINE` does, in one process. For each a line on
 * stdout: "ok", what choppy says the kernel holds, and the kernel's own bytes of it in hex; or
 * "no" and the reason; between tabs.
 */
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "choppy.h"

#define LINE_MAX 1024
#define WORDS_MAX 256

static int split(char *buf, const char **words, const char *line, struct choppy_err *err)
{
	int n = choppy_words_split(buf, words, line);

	if (n < 0)
		snprintf(err->msg, sizeof(err->msg), "a quote is not closed");
	return n;
}

/* What @line means, put on the link. */
static int set(const char *name, const char *line, struct choppy_lab *lab, struct choppy_err *err)
{
	static char text[CHOPPY_CONDITION_TEXT_MAX], buf[CHOPPY_CONDITION_TEXT_MAX];
	static struct choppy_change change;
	const char *words[WORDS_MAX + 2] = { "down", "clear" };
	int n = split(buf, words, line, err);

	if (n < 0 || choppy_tc_words(text, sizeof(text), n, words, err) < 0)
		return -1;
	words[0] = "down";
	words[1] = "clear";
	n = split(buf, words + 2, text, err);
	if (n < 0 || choppy_change_parse(&change, n + 2, words, true, err) < 0)
		return -1;
	return choppy_set(name, &change, -1, lab, err);
}

static int print_options(const struct nlmsghdr *nlh, void *data)
{
	const struct tcmsg *tcm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(*tcm))
	{
		const unsigned char *p = mnl_attr_get_payload(a);

		if (mnl_attr_get_type(a) != TCA_OPTIONS || tcm->tcm_ifindex != *(int *)data ||
		    tcm->tcm_parent != TC_H_ROOT)
			continue;
		for (int i = 0; i < mnl_attr_get_payload_len(a); i++)
			printf("%02x", p[i]);
	}
	return MNL_CB_OK;
}

/* The options of the root qdisc of @dev, in hex. */
static void print_qdisc(struct mnl_socket *nl, const char *dev)
{
	static char buf[65536];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	int index = (int)if_nametoindex(dev), r = 1;
	ssize_t n;

	nlh->nlmsg_type = RTM_GETQDISC;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	((struct tcmsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct tcmsg)))->tcm_ifindex =
		index;
	mnl_socket_sendto(nl, nlh, nlh->nlmsg_len);
	while (r > 0) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		r = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 0, 0, print_options, &index);
	}
}

int main(int argc, char **argv)
{
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	static struct choppy_lab lab;
	char line[LINE_MAX];

	if (argc != 2 || !nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		fprintf(stderr, "usage: words LAB <LINES\n");
		return 2;
	}
	while (fgets(line, sizeof(line), stdin)) {
		struct choppy_err err = { 0 };

		line[strcspn(line, "\n")] = '\0';
		if (set(argv[1], line, &lab, &err) < 0) {
			err.msg[strcspn(err.msg, "\n")] = '\0';
			printf("no\t%s\n", err.msg);
			continue;
		}
		printf("ok\t%s\t", lab.tc[CHOPPY_DOWN]);
		print_qdisc(nl, lab.host_dev);
		printf("\n");
	}
	mnl_socket_close(nl);
	return 0;
}
