/** The first word of a program's arguments that makes it the process of its page. */
export const PAGE_PROCESS = "page-process";
