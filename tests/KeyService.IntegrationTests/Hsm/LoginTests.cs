using KeyService.Hsm;

namespace KeyService.IntegrationTests.Hsm;

[Collection(SoftHsmInProcess.Name)]
public sealed class LoginTests : IDisposable
{
    private readonly SoftHsmDirectory directory = new();

    public void Dispose() => directory.Dispose();

    [Fact]
    public async Task A_wrong_PIN_is_sent_once_and_not_again_until_it_changes()
    {
        var right = await File.ReadAllTextAsync(directory.PinFile);
        await File.WriteAllTextAsync(directory.PinFile, "wrong-pin-1");
        var first = Assert.Throws<HsmException>(() => directory.Open());
        Assert.Equal((HsmFault.PinIncorrect, "C_Login", "CKR_PIN_INCORRECT"), (first.Fault, first.Function, first.ReturnCodeName));
        Assert.DoesNotContain("wrong-pin-1", first.ToString(), StringComparison.Ordinal);

        // Without C_Login: the exception names no function. Touching the file changes nothing.
        File.SetLastWriteTimeUtc(directory.PinFile, new DateTime(2030, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        for (var i = 0; i < 3; i++)
        {
            var again = Assert.Throws<HsmException>(() => directory.Open());
            Assert.Equal((HsmFault.PinIncorrect, ""), (again.Fault, again.Function));
            Assert.Contains("not sent again", again.Message, StringComparison.Ordinal);
        }

        await File.WriteAllTextAsync(directory.PinFile, "wrong-pin-2\n");
        Assert.Equal("C_Login", Assert.Throws<HsmException>(() => directory.Open()).Function);
        await File.WriteAllTextAsync(directory.PinFile, right + "\r\n");
        await using var token = directory.Open();
    }

    [Fact]
    public async Task The_PIN_can_come_from_a_descriptor_and_serves_a_reconnect_too()
    {
        using var file = File.OpenHandle(directory.PinFile);
        var configuration = directory.Configuration with { PinFile = null, PinDescriptor = (int)file.DangerousGetHandle() };
        await using var token = directory.Open(configuration);
        await token.InitializeHierarchyAsync(directory.BackupKeyFile);
        Directory.Move(directory.Tokens, directory.Tokens + ".away");
        Assert.False((await token.ProbeAsync()).IsHealthy);
        Directory.Move(directory.Tokens + ".away", directory.Tokens);
        Assert.True((await token.ProbeAsync()).IsHealthy);
    }

    [Fact]
    public async Task A_PIN_file_that_is_missing_empty_or_open_to_everybody_is_refused_by_name()
    {
        File.SetUnixFileMode(directory.PinFile, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Refused(HsmFault.PinUnavailable, "chmod 600");
        await File.WriteAllTextAsync(directory.PinFile + ".empty", "\nsecond line");
        File.SetUnixFileMode(directory.PinFile + ".empty", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Refused(HsmFault.PinUnavailable, "first line", directory.Configuration with { PinFile = directory.PinFile + ".empty" });
        Refused(HsmFault.PinUnavailable, "cannot be read", directory.Configuration with { PinFile = directory.PinFile + ".none" });
        Refused(HsmFault.PinUnavailable, "file descriptor 9999", directory.Configuration with { PinFile = null, PinDescriptor = 9999 });
        Refused(HsmFault.Misconfigured, "exactly one source", directory.Configuration with { PinFile = null });
        Refused(HsmFault.Misconfigured, "exactly one source", directory.Configuration with { PinDescriptor = 5 });
    }

    [Fact]
    public async Task A_token_that_is_not_there_is_reported_with_those_that_are()
    {
        Refused(HsmFault.TokenNotFound, $"Present: '{SoftHsmDirectory.Label}' (serial {directory.Serial})",
            directory.Configuration with { TokenLabel = "no-such-token" });
        Refused(HsmFault.TokenNotFound, "serial '0123'", directory.Configuration with { TokenSerial = "0123" });
        Refused(HsmFault.Misconfigured, "Name the token", directory.Configuration with { TokenLabel = null });
        await using var bySerial = directory.Open(directory.Configuration with { TokenLabel = null, TokenSerial = directory.Serial });
        Assert.Equal(SoftHsmDirectory.Label, bySerial.Info.TokenLabel);
    }

    [Fact]
    public void A_module_path_that_is_no_module_is_reported_for_what_it_is()
    {
        Refused(HsmFault.ModuleNotFound, "no PKCS#11 module at /nowhere", directory.Configuration with { ModulePath = "/nowhere/libhsm.so" });
        Refused(HsmFault.ModuleNotFound, "cannot be loaded", directory.Configuration with { ModulePath = directory.PinFile });
        var libc = new[] { "/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6" }.FirstOrDefault(File.Exists);
        Infrastructure.Require(libc is not null, "libm.so.6 in Debian's place");
        Refused(HsmFault.ModuleNotFound, "exports no C_GetFunctionList", directory.Configuration with { ModulePath = libc });
    }

    [Fact]
    public void Settings_out_of_range_are_refused_before_the_module_is_touched()
    {
        Refused(HsmFault.Misconfigured, "maxConcurrency", directory.Configuration with { MaxConcurrency = 0 });
        Refused(HsmFault.Misconfigured, "maxConcurrency", directory.Configuration with { MaxConcurrency = 257 });
        Refused(HsmFault.Misconfigured, "KEKs", directory.Configuration with { MaxLoadedKeks = 0 });
        Refused(HsmFault.Misconfigured, "watchdog", directory.Configuration with { WatchdogTimeout = TimeSpan.Zero });
    }

    [Fact]
    public async Task A_token_directory_that_SoftHSM_cannot_read_is_an_error_with_the_setting_to_look_at()
    {
        SoftHsmDirectory.SetNativeEnvironment("SOFTHSM2_CONF", Path.Combine(directory.Path, "absent.conf"));
        var refused = Assert.Throws<HsmException>(() => HsmToken.Open(directory.Configuration));
        Assert.Contains("SOFTHSM2_CONF", refused.Message, StringComparison.Ordinal);
        await using var token = directory.Open();
    }

    [Fact]
    public void Provisioning_twice_keeps_the_token_and_its_PINs()
    {
        var pin = File.ReadAllText(directory.PinFile);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(directory.PinFile));
        Assert.Equal(32, pin.Length);
        Assert.Equal(directory.Serial, directory.AddToken(SoftHsmDirectory.Label));
        Assert.Equal(pin, File.ReadAllText(directory.PinFile));
        Assert.Throws<ArgumentException>(() => directory.AddToken(new string('x', 33)));
    }

    private void Refused(HsmFault fault, string says, HsmConfiguration? configuration = null)
    {
        var refused = Assert.Throws<HsmException>(() => directory.Open(configuration));
        Assert.Equal(fault, refused.Fault);
        Assert.Contains(says, refused.Message, StringComparison.Ordinal);
    }
}
