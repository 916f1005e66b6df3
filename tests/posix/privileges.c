/*
 * Programs with suid or a capability that somebody changes: they lose it at once. execve(2) goes by what the kernel
 * itself takes the mode to be, which stat(2) may not show.
 */
#include "tests/posix/posix.h"

#include <grp.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#define BLOCK 4096
#define TAIL  (16 * BLOCK) /* zeroes behind the program */

static void print_uid(void)
{
	execl("./id", "id", "-u", NULL);
	_exit(1);
}

static int uid_of_program(void)
{
	char text[16] = "";
	int ends[2];

	OK(pipe(ends));
	OK(dup2(ends[1], 1));
	run_as(USER, GROUP, print_uid);
	OK(read(ends[0], text, sizeof(text) - 1));
	return atoi(text);
}

/* A program of somebody else, which everybody may write to. */
static void make_program(mode_t mode)
{
	char buffer[65536];
	int from = OK(open("/usr/bin/id", O_RDONLY)), to = OK(open("id", O_CREAT | O_WRONLY, 0755));

	for (ssize_t size; (size = OK(read(from, buffer, sizeof(buffer)))) > 0;)
		EQ(write(to, buffer, (size_t)size), size);
	OK(ftruncate(to, OK(lseek(to, 0, SEEK_END)) / BLOCK * BLOCK + TAIL));
	OK(close(to));
	OK(chown("id", OTHER_USER, OTHER_GROUP));
	OK(chmod("id", mode));
}

static void changed_by(uid_t uid, void (*change)(void))
{
	make_program(04777);
	EQ(uid_of_program(), OTHER_USER);
	run_as(uid, uid, change);
	EQ(uid_of_program(), USER);
}

static void write_it(void)
{
	char *block = aligned_alloc(BLOCK, BLOCK);
	int fd = OK(open("id", O_RDWR));

	EQ(pread(fd, block, BLOCK, 0), BLOCK);
	EQ(pwrite(fd, block, BLOCK, 0), BLOCK);
}

static void write_and_sync_it(void)
{
	write_it();
	OK(fsync(OK(open("id", O_RDWR))));
}

static void write_it_directly(void)
{
	char *block = aligned_alloc(BLOCK, BLOCK);
	int fd = OK(open("id", O_RDWR | O_DIRECT));

	EQ(pread(fd, block, BLOCK, 0), BLOCK);
	EQ(pwrite(fd, block, BLOCK, 0), BLOCK);
}

static void append_to_it(void)
{
	EQ(write(OK(open("id", O_WRONLY | O_APPEND)), "x", 1), 1);
}

static void allocate_it(void)
{
	int fd = OK(open("id", O_RDWR));

	OK(fallocate(fd, 0, 0, OK(lseek(fd, 0, SEEK_END)) + BLOCK));
}

static void punch_it(void)
{
	int fd = OK(open("id", O_RDWR));

	OK(fallocate(
		fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, OK(lseek(fd, -2 * BLOCK, SEEK_END)), BLOCK));
}

static void copy_into_it(void)
{
	int from = OK(open("/usr/bin/id", O_RDONLY)), page = OK(open("page", O_RDWR));
	char *block = malloc(BLOCK);

	EQ(read(from, block, BLOCK), BLOCK);
	EQ(write(page, block, BLOCK), BLOCK);
	EQ(copy_file_range(page, &(off_t){0}, OK(open("id", O_RDWR)), &(off_t){0}, BLOCK, 0), BLOCK);
}

static void truncate_it(void)
{
	OK(truncate("id", size_of("id") - BLOCK));
}

static void make_it_anew(void)
{
	char *bytes = malloc(1 << 20);
	ssize_t size = OK(read(OK(open("id", O_RDONLY)), bytes, 1 << 20));

	EQ(write(OK(open("id", O_WRONLY | O_TRUNC)), bytes, (size_t)size), size);
}

static void chown_it(void)
{
	OK(chown("id", OTHER_USER, OTHER_GROUP));
}

ROOT_TEST(execute_suid_after_write)
{
	changed_by(USER, write_it);
}

ROOT_TEST(execute_suid_after_fsync)
{
	changed_by(USER, write_and_sync_it);
}

ROOT_TEST(execute_suid_after_direct_write)
{
	changed_by(USER, write_it_directly);
}

ROOT_TEST(execute_suid_after_append)
{
	changed_by(USER, append_to_it);
}

ROOT_TEST(execute_suid_after_fallocate)
{
	changed_by(USER, allocate_it);
}

ROOT_TEST(execute_suid_after_punch_hole)
{
	changed_by(USER, punch_it);
}

ROOT_TEST(execute_suid_after_copy_file_range)
{
	make_file("page", 0666);
	OK(chmod("page", 0666));
	changed_by(USER, copy_into_it);
}

ROOT_TEST(execute_suid_after_truncate)
{
	changed_by(USER, truncate_it);
}

ROOT_TEST(execute_suid_after_open_truncating)
{
	changed_by(USER, make_it_anew);
}

ROOT_TEST(execute_suid_after_chown)
{
	changed_by(0, chown_it);
}

/* The mode is set by one while another, who had the file open before, writes. */
static void write_once_told(void)
{
	char *block = malloc(BLOCK);
	int fd = OK(open("id", O_RDWR));

	EQ(pread(fd, block, BLOCK, 0), BLOCK);
	EQ(pwrite(fd, block, BLOCK, 0), BLOCK);
	make_file("opened", 0644);
	while (!exists("set"))
		usleep(1000);
	EQ(pwrite(fd, block, BLOCK, 0), BLOCK);
}

static void write_as_user(void)
{
	become(USER, GROUP);
	write_once_told();
}

ROOT_TEST(execute_suid_set_while_open)
{
	pid_t writer;

	OK(chmod(".", 0777));
	make_program(0777);
	writer = start(write_as_user);
	while (!exists("opened"))
		usleep(1000);
	OK(chmod("id", 04777));
	make_file("set", 0644);
	join(writer);
	EQ(uid_of_program(), USER);
}

/* A file whose group may not execute it: S_ISGID goes if somebody outside of the group changes it. */
static void keeps_sgid_for_members(void (*change)(void))
{
	make_program(02666);
	run_as(USER, GROUP, change);
	EQ(mode_of("id"), 0666);
	make_program(02666);
	OK(chown("id", OTHER_USER, GROUP));
	run_as(USER, GROUP, change);
	EQ(mode_of("id"), 02666);
}

static void truncate_it_open(void)
{
	OK(ftruncate(OK(open("id", O_RDWR)), BLOCK));
}

ROOT_TEST(sgid_after_write)
{
	keeps_sgid_for_members(write_it);
}

ROOT_TEST(sgid_after_direct_write)
{
	keeps_sgid_for_members(write_it_directly);
}

ROOT_TEST(sgid_after_append)
{
	keeps_sgid_for_members(append_to_it);
}

ROOT_TEST(sgid_after_fallocate)
{
	keeps_sgid_for_members(allocate_it);
}

ROOT_TEST(sgid_after_punch_hole)
{
	keeps_sgid_for_members(punch_it);
}

ROOT_TEST(sgid_after_copy_file_range)
{
	make_file("page", 0666);
	OK(chmod("page", 0666));
	keeps_sgid_for_members(copy_into_it);
}

ROOT_TEST(sgid_after_truncate)
{
	keeps_sgid_for_members(truncate_it);
}

ROOT_TEST(sgid_after_ftruncate)
{
	keeps_sgid_for_members(truncate_it_open);
}

ROOT_TEST(sgid_after_open_truncating)
{
	keeps_sgid_for_members(make_it_anew);
}

/* The kernel does not ask who stores to a mapped page. */
static void store_to_it(void)
{
	int fd = OK(open("id", O_RDWR));
	char *page = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	IS(page != MAP_FAILED);
	page[0] = 'x';
	OK(msync(page, BLOCK, MS_SYNC));
	EQ(mode_of("id"), 02666);
}

ROOT_TEST(sgid_after_store_to_mapping)
{
	make_program(02666);
	run_as(USER, GROUP, store_to_it);
}

static void change_group(void)
{
	OK(chown("id", (uid_t)-1, GROUP));
}

/* The group before the change counts. */
ROOT_TEST(sgid_after_chown)
{
	make_program(0666);
	OK(chown("id", USER, OTHER_GROUP));
	OK(chmod("id", 02666));
	run_as(USER, GROUP, change_group);
	EQ(mode_of("id"), 0666);
	OK(chmod("id", 02666));
	run_as(USER, GROUP, change_group);
	EQ(mode_of("id"), 02666);
}

static void write_as_supplementary_member(void)
{
	gid_t groups[] = {OTHER_GROUP};

	OK(setgroups(1, groups));
	OK(setresgid(GROUP, GROUP, GROUP));
	OK(setresuid(USER, USER, USER));
	write_it();
	EQ(mode_of("id"), 02666);
	_exit(0);
}

ROOT_TEST(sgid_after_write_by_supplementary_member)
{
	make_program(02666);
	join(start(write_as_supplementary_member));
}

/* Bits for execution that an access ACL brings later do not revive it. */
ROOT_TEST(sgid_after_write_and_acl)
{
	static const struct {
		uint32_t version;
		struct {
			uint16_t tag, permissions;
			uint32_t id;
		} entries[3];
	} list = {2, {{1, 7, UINT32_MAX}, {4, 5, UINT32_MAX}, {32, 5, UINT32_MAX}}};

	make_program(02666);
	run_as(USER, GROUP, write_it);
	OK(setxattr("id", "system.posix_acl_access", &list, sizeof(list), 0));
	EQ(mode_of("id"), 0755);
}

/* Nothing is synced or closed: buffered data counts. */
static void write_and_look(void)
{
	int fd = OK(open("id", O_RDWR));
	char value[64];

	EQ(pwrite(fd, "\177", 1, 0), 1);
	FAILS(getxattr("id", "security.capability", value, sizeof(value)), ENODATA);
	EQ(mode_of("id"), 0777);
}

ROOT_TEST(capability_after_write)
{
	/* cap_net_bind_service, permitted; see capabilities(7). */
	static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};

	make_program(04777);
	OK(setxattr("id", "security.capability", capability, sizeof(capability), 0));
	run_as(USER, GROUP, write_and_look);
}

TEST(flag_updates_ctime)
{
	struct stat before;
	int flags, fd;

	put("f", "text");
	fd = OK(open("f", O_RDONLY));
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == -1 && errno == ENOTTY)
		not_applicable("no inode flags: ENOTTY");
	before = status_of("f");
	tick();
	flags |= FS_NODUMP_FL;
	OK(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	IS(nanoseconds(status_of("f").st_ctim) > nanoseconds(before.st_ctim));
}
