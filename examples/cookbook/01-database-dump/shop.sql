create table orders (id integer primary key, item text);
insert into orders values (1, 'tea');
insert into orders values (2, 'cups');
