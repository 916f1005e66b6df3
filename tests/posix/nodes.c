/* mknod, FIFOs, sockets and devices in the filesystem. */
#include "tests/posix/posix.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

TEST(mknod_regular)
{
	OK(mknod("f", S_IFREG | 0640, 0));
	EQ(status_of("f").st_mode, S_IFREG | 0640);
	OK(mknod("g", 0600, 0)); /* no type is a regular file */
	EQ(status_of("g").st_mode, S_IFREG | 0600);
}

TEST(mknod_directory)
{
	FAILS(mknod("d", S_IFDIR | 0755, 0), EPERM);
}

TEST(mknod_bad_type)
{
	FAILS(mknod("f", 0170000 | 0644, 0), EINVAL);
}

USER_TEST(mknod_device_of_user)
{
	FAILS(mknod("c", S_IFCHR | 0666, makedev(1, 3)), EPERM);
	FAILS(mknod("b", S_IFBLK | 0666, makedev(7, 0)), EPERM);
}

ROOT_TEST(mknod_devices)
{
	OK(mknod("c", S_IFCHR | 0666, makedev(1, 3)));
	EQ(status_of("c").st_rdev, makedev(1, 3));
	IS(S_ISCHR(status_of("c").st_mode));
	OK(mknod("b", S_IFBLK | 0600, makedev(259, 70000)));
	EQ(status_of("b").st_rdev, makedev(259, 70000));
	IS(S_ISBLK(status_of("b").st_mode));
}

ROOT_TEST(mknod_device_works)
{
	char byte;
	int fd;

	OK(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
	fd = OK(open("null", O_RDWR));
	EQ(write(fd, "x", 1), 1);
	EQ(read(fd, &byte, 1), 0);
}

ROOT_TEST(mknod_device_missing)
{
	OK(mknod("none", S_IFCHR | 0666, makedev(4000, 1)));
	FAILS(open("none", O_RDONLY), ENXIO);
}

TEST(mknod_umask)
{
	umask(077);
	OK(mknod("f", S_IFREG | 0666, 0));
	EQ(mode_of("f"), 0600);
	OK(mkfifo("p", 0666));
	EQ(mode_of("p"), 0600);
}

TEST(fifo_open_writer_without_reader)
{
	OK(mkfifo("p", 0644));
	FAILS(open("p", O_WRONLY | O_NONBLOCK), ENXIO);
}

TEST(fifo_open_reader_without_writer)
{
	char byte;

	OK(mkfifo("p", 0644));
	EQ(read(OK(open("p", O_RDONLY | O_NONBLOCK)), &byte, 1), 0);
}

static void write_to_fifo(void)
{
	EQ(write(OK(open("p", O_WRONLY)), "hello", 5), 5);
}

TEST(fifo_passes_data)
{
	char text[16];
	pid_t child;

	OK(mkfifo("p", 0644));
	child = start(write_to_fifo);
	EQ(read(OK(open("p", O_RDONLY)), text, sizeof(text)), 5);
	IS(memcmp(text, "hello", 5) == 0);
	join(child);
	EQ(size_of("p"), 0);
}

static void has_no_name(int fd)
{
	struct stat status;

	OK(fstat(fd, &status));
	EQ(status.st_nlink, 0);
}

TEST(fifo_unlinked)
{
	struct stat status;
	char text[8];
	int fd;

	OK(mkfifo("p", 0600));
	fd = OK(open("p", O_RDWR));
	OK(unlink("p"));
	has_no_name(fd);
	OK(fchmod(fd, 0640));
	OK(fstat(fd, &status));
	EQ(status.st_mode, S_IFIFO | 0640);
	EQ(write(fd, "text", 4), 4);
	EQ(read(fd, text, sizeof(text)), 4);
}

ROOT_TEST(device_unlinked)
{
	struct stat status;
	int fd;

	OK(mknod("c", S_IFCHR | 0666, makedev(1, 3)));
	fd = OK(open("c", O_RDWR));
	OK(unlink("c"));
	has_no_name(fd);
	OK(fchmod(fd, 0600));
	OK(fstat(fd, &status));
	EQ(status.st_mode, S_IFCHR | 0600);
	EQ(status.st_rdev, makedev(1, 3));
}

TEST(socket_unlinked)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
	int fd = OK(socket(AF_UNIX, SOCK_STREAM, 0));

	OK(bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	fd = OK(open("s", O_PATH));
	OK(unlink("s"));
	has_no_name(fd);
}

TEST(fifo_open_is_interrupted)
{
	OK(mkfifo("p", 0644));
	alarm_every(50);
	FAILS(open("p", O_RDONLY), EINTR);
}

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, name);
	return address;
}

TEST(socket_open)
{
	struct sockaddr_un name = address("s");

	OK(bind(OK(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&name, sizeof(name)));
	FAILS(open("s", O_RDONLY), ENXIO);
	IS(S_ISSOCK(status_of("s").st_mode));
	EQ(mode_of("s"), 0755);
}

TEST(socket_bind_exists)
{
	struct sockaddr_un name = address("s");

	put("s", "");
	FAILS(bind(OK(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&name, sizeof(name)), EADDRINUSE);
}

TEST(socket_connects)
{
	struct sockaddr_un name = address("s");
	int server = OK(socket(AF_UNIX, SOCK_STREAM, 0)), client = OK(socket(AF_UNIX, SOCK_STREAM, 0));
	char text[8];

	OK(bind(server, (struct sockaddr *)&name, sizeof(name)));
	OK(listen(server, 1));
	OK(connect(client, (struct sockaddr *)&name, sizeof(name)));
	EQ(write(client, "hello", 5), 5);
	EQ(read(OK(accept(server, NULL, NULL)), text, sizeof(text)), 5);
	OK(unlink("s"));
	FAILS(connect(OK(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&name, sizeof(name)), ENOENT);
}

TEST(socket_nobody_listens)
{
	struct sockaddr_un name = address("s");

	OK(mknod("s", S_IFSOCK | 0777, 0));
	FAILS(connect(OK(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&name, sizeof(name)),
		ECONNREFUSED);
}

TEST(socket_survives_rename)
{
	struct sockaddr_un name = address("s"), moved = address("t");
	int server = OK(socket(AF_UNIX, SOCK_STREAM, 0));

	OK(bind(server, (struct sockaddr *)&name, sizeof(name)));
	OK(listen(server, 1));
	OK(rename("s", "t"));
	OK(connect(OK(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&moved, sizeof(moved)));
}
