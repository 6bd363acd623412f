// Package foreign shows that programs which know nothing of this library can
// call what it registered, and that it finds what they registered. The
// programs lie in modules of their own, outside go.work, so that each is built
// with the versions that it would have in a company.
package foreign
