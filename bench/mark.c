/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mark: writes the time of its first instruction, CLOCK_MONOTONIC in ns, to the
 * file that its argument names, and ends.
 *
 * It has no C library and no relocations, so that what is measured until its first
 * instruction is the way there and not its own start.
 *
 *	cc -O2 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie mark.c
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall mark\n");

static long sys3(long n, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(n), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n\tmov x0, sp\n\tbl mark\n");

static long sys3(long n, long a, long b, long c)
{
	register long x8 __asm__("x8") = n;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}
#else
#error "mark.c: no start code for this processor"
#endif

/* openat(2) has four arguments; the fourth matters only with O_CREAT. */
static long open_append(const char *path)
{
	return sys3(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_APPEND);
}

/* @stack: argc, argv[0], argv[1], ..., as the kernel leaves them. */
__attribute__((noreturn, used)) void mark(const long *stack);
void mark(const long *stack)
{
	struct timespec now;
	char text[24], *p = text + sizeof(text);
	uint64_t ns;
	long fd, status = 1;

	sys3(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
	ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	*--p = '\n';
	for (; ns; ns /= 10)
		*--p = (char)('0' + ns % 10);
	if (stack[0] == 2) {
		fd = open_append((const char *)stack[2]);
		if (fd >= 0 && sys3(SYS_write, fd, (long)p, text + sizeof(text) - p) > 0)
			status = 0;
	}
	for (;;)
		sys3(SYS_exit_group, status, 0, 0);
}
