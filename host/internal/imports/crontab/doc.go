// Package crontab reads crontabs: those of users, /etc/crontab and the files of
// /etc/cron.d, in the dialect of Vixie's cron with what cronie and Debian have added.
package crontab
