using KeyService.Crypto;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;

namespace KeyService.Tests.Hsm;

public sealed class KekRegisterTests
{
    [Fact]
    public void The_least_recently_used_leaves_when_there_is_no_room()
    {
        var register = new KekRegister(2);
        Assert.Empty(Add(register, 1));
        Assert.Empty(Add(register, 2));
        Assert.True(register.TryUse(new KeyVersionId(1), out var used, out _));
        Assert.Null(register.Release(used));
        Assert.Equal([Handle(2)], Add(register, 3));
        Assert.Equal([true, false, true], new ulong[] { 1, 2, 3 }.Select(id => register.Contains(new KeyVersionId(id))));
    }

    [Fact]
    public void A_key_in_use_leaves_but_its_handle_is_given_up_only_by_the_last_user()
    {
        var register = new KekRegister(1);
        Add(register, 1);
        Assert.True(register.TryUse(new KeyVersionId(1), out var first, out _));
        Assert.True(register.TryUse(new KeyVersionId(1), out var second, out _));
        Assert.Empty(Add(register, 2));
        Assert.False(register.Contains(new KeyVersionId(1)));
        Assert.Null(register.Release(first));
        Assert.Equal(Handle(1), register.Release(second));
    }

    [Fact]
    public void Adding_a_key_that_is_there_gives_the_new_handle_back()
    {
        var register = new KekRegister(2);
        Add(register, 1);
        Assert.Equal([new KeyHandle(99, 1)], register.Add(new KeyVersionId(1), [], [], new KeyHandle(99, 1)));
        Assert.True(register.TryUse(new KeyVersionId(1), out _, out var handle));
        Assert.Equal(Handle(1), handle);
    }

    [Fact]
    public void Adding_a_key_again_after_a_re_initialisation_takes_the_new_handle()
    {
        var register = new KekRegister(2);
        Add(register, 1);
        Assert.Empty(register.Add(new KeyVersionId(1), [], [], new KeyHandle(1, 2)));
        Assert.Equal((0, 1), (register.Count(1), register.Count(2)));
    }

    [Fact]
    public void A_removed_key_is_gone_and_removing_it_again_does_nothing()
    {
        var register = new KekRegister(2);
        Add(register, 1);
        Assert.Equal([Handle(1)], register.Remove(new KeyVersionId(1)));
        Assert.Empty(register.Remove(new KeyVersionId(1)));
        Assert.False(register.TryUse(new KeyVersionId(1), out _, out _));
    }

    private static List<KeyHandle> Add(KekRegister register, ulong id) => register.Add(new KeyVersionId(id), [], [], Handle(id));

    private static KeyHandle Handle(ulong id) => new(id + 100, 1);
}
