/**
 * Steps of sagas in Java. A {@link step.saga.Step} is two functions over your own type; a {@link step.saga.Worker} asks hosts
 * for its calls and answers them. {@link step.saga.testing.TestHost} runs a step without a host.
 */
package step.saga;
