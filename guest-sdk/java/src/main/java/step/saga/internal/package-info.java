/** How calls are taken, made and answered. Not for use outside of this library. */
package step.saga.internal;
