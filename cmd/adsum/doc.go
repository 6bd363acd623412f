// Command adsum registers, finds, watches and calls services.
package main

func main() {}
