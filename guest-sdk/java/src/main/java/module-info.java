/** Steps of sagas in Java: what a step is, the worker that runs it, and a host for its tests. */
module step.saga {
    requires transitive com.fasterxml.jackson.databind;
    requires transitive java.net.http;

    exports step.saga;
    exports step.saga.testing;
}
