//! How the memory of a started guest is read: by the functions that the instrumented component exports for it.

use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, WasmList};
use wasmtime_wizer::ComponentInstanceState;

use super::Room;

pub(super) struct State<'a> {
    pub(super) store: &'a mut Store<Room>,
    pub(super) instance: Instance,
}

impl State<'_> {
    /// # Panics
    /// If there is no such function: wizer put them there itself, and asks for no other.
    fn call<R: Lift + 'static>(&mut self, interface: &str, function: &str) -> R
    where
        (R,): ComponentNamedList + Lift,
    {
        let interface = self.instance.get_export_index(&mut *self.store, None, interface);
        let function = self.instance.get_export_index(&mut *self.store, interface.as_ref(), function);
        let function = function.expect("an instrumented component exports what reads its memory");
        let function = self.instance.get_typed_func::<(), (R,)>(&mut *self.store, function);
        let function = function.expect("what reads the memory has the type that wizer asks for");
        let (value,) = function.call(&mut *self.store, ()).expect("reading a global or a memory cannot trap");
        value
    }
}

impl ComponentInstanceState for State<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        let list: WasmList<u8> = self.call(instance, func);
        contents(list.as_le_slice(&*self.store));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.call(instance, func)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.call(instance, func)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.call::<f32>(instance, func).to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.call::<f64>(instance, func).to_bits()
    }
}
