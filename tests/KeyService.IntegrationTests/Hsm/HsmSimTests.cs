using KeyService.Hsm;
using KeyService.Hsm.Login;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;
using Net.Pkcs11Interop.Common;

namespace KeyService.IntegrationTests.Hsm;

/// <summary>The simulator itself: its control file, its counters, and that other people's programs can use it.</summary>
[Collection(SoftHsmInProcess.Name)]
public sealed class HsmSimTests : IDisposable
{
    private readonly SoftHsmDirectory directory = new();

    public void Dispose() => directory.Dispose();

    [Fact]
    public async Task pkcs11_tool_works_on_the_simulator_and_meets_its_faults()
    {
        var tool = Infrastructure.RequireTool("pkcs11-tool", "opensc");
        var module = await HsmSimControl.ModuleAsync();
        var control = new HsmSimControl(directory.Path);
        var environment = new Dictionary<string, string?>(control.Environment(Infrastructure.SoftHsmModule))
        {
            ["SOFTHSM2_CONF"] = Path.Combine(directory.Path, "softhsm2.conf"),
        };
        string[] random = ["--module", module, "--token-label", SoftHsmDirectory.Label, "--generate-random", "16"];
        Assert.Equal(16, (await Command.RunAsync(tool, random, environment)).ExpectExit(0).Output.Length);
        Assert.Contains(SoftHsmDirectory.Label, (await Command.RunAsync(tool, ["--module", module, "-L"], environment)).ExpectExit(0).Text, StringComparison.Ordinal);

        control.Fail("C_GenerateRandom", "CKR_DEVICE_ERROR");
        Assert.NotEqual(0, (await Command.RunAsync(tool, random, environment)).ExitCode);
        Assert.Equal(1, control.Calls("C_GenerateRandom"));
        control.Write("token removed");
        Assert.DoesNotContain(SoftHsmDirectory.Label, (await Command.RunAsync(tool, ["--module", module, "-L"], environment)).Text, StringComparison.Ordinal);
        control.Clear();
        Assert.Equal(16, (await Command.RunAsync(tool, random, environment)).ExpectExit(0).Output.Length);
        Assert.Equal("", control.Log);
    }

    [Theory]
    [InlineData("fial C_Encrypt CKR_DEVICE_ERROR", "'fial' is not known")]
    [InlineData("fail C_Encrpt CKR_DEVICE_ERROR", "no function of PKCS#11 v2.40 is called 'C_Encrpt'")]
    [InlineData("fail C_Encrypt CKR_NO_SUCH_CODE", "'CKR_NO_SUCH_CODE' is no return code")]
    [InlineData("fail C_Encrypt", "return code is missing")]
    [InlineData("fail C_Encrypt 0x30 sometimes", "'sometimes' is no condition")]
    [InlineData("fail C_Encrypt 0x30 times -1", "'-1' is no count")]
    [InlineData("fail C_Encrypt 0x30 probability 1.5", "'1.5' is no probability")]
    [InlineData("latency * fixed 5", "'5' is no time")]
    [InlineData("latency * gamma 5ms", "'gamma' is no distribution")]
    [InlineData("sessions many", "'many' is no session limit")]
    [InlineData("token lost", "'lost' is no state of a token")]
    [InlineData("restart 1 2", "'2' is too much")]
    public async Task A_bad_control_file_is_reported_by_line_once_and_the_last_good_one_stays(string line, string complaint)
    {
        var (control, configuration) = await directory.SimulateAsync();
        await using var token = directory.Open(configuration);
        control.Write("fail C_GenerateRandom CKR_FUNCTION_CANCELED");
        await ExpectCanceledAsync();
        control.Write("sessions 100", line);
        await ExpectCanceledAsync();
        await ExpectCanceledAsync();
        var log = Assert.Single(control.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("hsmsim.control: line 3: ", log, StringComparison.Ordinal);
        Assert.Contains(complaint, log, StringComparison.Ordinal);
        control.Clear();
        await token.RandomAsync(new byte[8]);

        async Task ExpectCanceledAsync()
        {
            var refused = await Assert.ThrowsAsync<HsmException>(() => token.RandomAsync(new byte[8]).AsTask());
            Assert.Equal("CKR_FUNCTION_CANCELED", refused.ReturnCodeName);
        }
    }

    [Fact]
    public async Task A_line_that_stays_goes_on_counting_and_a_changed_one_begins_anew()
    {
        var (control, configuration) = await directory.SimulateAsync();
        var module = Pkcs11Module.Acquire(configuration.ModulePath, null);
        try
        {
            var (slot, _) = TokenLocator.Find(module, SoftHsmDirectory.Label, null);
            var session = new HsmSession(module, slot, readWrite: false);
            File.WriteAllText(control.FilePath, "fail C_GenerateRandom 0x30 times 2\n");
            Assert.Equal(CKR.CKR_DEVICE_ERROR, Random());
            File.WriteAllText(control.FilePath, "fail C_GenerateRandom 0x30 times 2\nsessions 50\n");
            Assert.Equal([CKR.CKR_DEVICE_ERROR, CKR.CKR_OK], [Random(), Random()]);
            File.WriteAllText(control.FilePath, "fail C_GenerateRandom 0x30 times 2 # again\nsessions 50\n");
            Assert.Equal([CKR.CKR_DEVICE_ERROR, CKR.CKR_DEVICE_ERROR, CKR.CKR_OK], [Random(), Random(), Random()]);
            File.Delete(control.FilePath);
            Assert.Equal(CKR.CKR_OK, Random());
            session.Close();

            CKR Random() => module.Library.C_GenerateRandom(session.Handle, new byte[8], 8);
        }
        finally
        {
            module.Release();
        }
    }

    [Fact]
    public async Task Every_function_of_the_list_is_passed_on_and_counted()
    {
        var (control, configuration) = await directory.SimulateAsync();
        await using (var token = await directory.OpenWithHierarchyAsync(configuration))
        {
            await token.GetSigningKeyAsync("checkpoints");
        }
        var names = File.ReadLines(control.CounterPath).Select(line => line[9..].Trim()).ToArray();
        Assert.Equal(68, names.Length);
        Assert.Equal(("C_Initialize", "C_WaitForSlotEvent"), (names[0], names[^1]));
        Assert.All(
            ["C_Initialize", "C_Finalize", "C_OpenSession", "C_Login", "C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_EncryptInit", "C_Encrypt", "C_FindObjects"],
            name => Assert.True(control.Calls(name) > 0, name));
    }
}
