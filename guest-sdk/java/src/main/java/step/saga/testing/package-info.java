/** Runs a step without a host: give it a body, ask what was answered, and undo it. */
package step.saga.testing;
